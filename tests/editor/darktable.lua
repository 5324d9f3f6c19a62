-- A stub of darktable's Lua API: as much of it as the script uses.
-- arg: the script, then "FOLDER|FILENAME" for each selected image. PROGRAM is the command that heals, DARKTABLE
-- the version: before 5.0 write_image returns false when all went well, and true when it failed.

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
            local well = not image.filename:find("unrenderable")
            local file = assert(io.open(path, "wb"))
            if well then file:write("rendered") end
            file:close()
            return well == (os.getenv("DARKTABLE") == "5.0")
        end,
    }
end
function dt.gui.selection()
    local images = {}
    for i = 2, #arg do
        local path, name = arg[i]:match("^(.*)|(.*)$")
        local tags = { { name = "people|bride" }, { name = "darktable|format|jpg" } }
        images[#images + 1] = {
            path = path, filename = name, group_leader = { name = name },
            rating = 4, title = "Day", description = "", creator = "A", publisher = "", rights = "",
            red = true, yellow = false, green = false, blue = false, purple = false,
            get_tags = function() return tags end,
        }
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
    local result = { path = path, tags = {} }
    function result.group_with(_, leader) print("grouped", path, leader.name) end
    function result.attach_tag(_, tag) result.tags[#result.tags + 1] = tag.name end
    imported[#imported + 1] = result
    return result
end
function dt.print(text) print("said", text) end

package.loaded.darktable = dt
local script = dofile(arg[1])
registered()
for _, result in ipairs(imported) do
    assert(result.rating == 4 and result.title == "Day" and result.red and not result.blue, "not carried over")
    assert(table.concat(result.tags, ",") == "people|bride", "tags are not carried over")
end
script.destroy()
assert(registered == nil)
