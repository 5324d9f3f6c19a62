-- A stub of darktable's Lua API: as much of it as the script uses.
-- arg: the script, then "FOLDER|FILENAME" for each selected image. PROGRAM is the command that heals.

local registered, preferences, imported = nil, {}, {}
local dt = { preferences = {}, gui = { libs = { image = {} } }, database = {} }
function dt.preferences.register(script, name, kind, label, tooltip, default)
    assert(kind == "string" and label and tooltip)
    preferences[script .. name] = default
end
function dt.preferences.read(script, name, kind)
    assert(kind == "string")
    if name == "program" then return os.getenv("PROGRAM") end
    return preferences[script .. name]
end
function dt.new_format(name)
    assert(name == "tiff")
    return {
        write_image = function(self, image, path, upscale)
            assert(self.bpp == 16 and upscale == false)
            if image.filename:find("unrenderable") then return false end
            local file = assert(io.open(path, "wb"))
            file:write("rendered")
            file:close()
            return true
        end,
    }
end
function dt.gui.selection()
    local images = {}
    for i = 2, #arg do
        local path, name = arg[i]:match("^(.*)|(.*)$")
        images[#images + 1] = { path = path, filename = name, group_leader = { name = name } }
    end
    return images
end
function dt.gui.create_job(name, bar) return { name = name, bar = bar } end
function dt.gui.libs.image.register_action(id, label, act, tooltip)
    assert(id and label and tooltip)
    registered = act
end
function dt.gui.libs.image.destroy_action() registered = nil end
function dt.database.import(path)
    local result = { path = path }
    function result.group_with(_, leader) print("grouped", path, leader.name) end
    imported[#imported + 1] = result
    return result
end
function dt.print(text) print("said", text) end

package.loaded.darktable = dt
local script = dofile(arg[1])
registered()
script.destroy()
assert(registered == nil)
