--[[
retouchd in darktable: heals the selected images and brings the results back, grouped with them.

Copy this file to ~/.config/darktable/lua/contrib/ and write into ~/.config/darktable/luarc:

    require "contrib/retouchd"

A button "retouchd" appears in the module "selected images" of the lighttable.
]]

local dt = require "darktable"

local SCRIPT = "retouchd"
local CARRIED = {
    "rating", "title", "description", "creator", "publisher", "rights",
    "red", "yellow", "green", "blue", "purple",
}

dt.preferences.register(SCRIPT, "program", "string", "retouchd: program", "The command, or its full path.", "retouchd")
dt.preferences.register(SCRIPT, "preset", "string", "retouchd: preset", "A preset of the settings.", "studio")

local function quoted(word)
    return "'" .. word:gsub("'", "'\\''") .. "'"
end

-- A file in the folder of the image, under a name that no file there has.
local function free_name(image)
    local stem = image.path .. "/" .. image.filename:gsub("%.[^.]*$", "")
    local number = 0
    while true do
        local name = stem .. (number == 0 and "-heal" or "-heal-" .. number) .. ".tif"
        local file = io.open(name, "rb")
        if not file then
            return name
        end
        file:close()
        number = number + 1
    end
end

local function holds_something(name)
    local file = io.open(name, "rb")
    if not file then
        return false
    end
    local first = file:read(1)
    file:close()
    return first ~= nil
end

-- The path of the healed file, or nil and what went wrong. An image may be raw, so darktable renders it first.
local function healed(image)
    local format = dt.new_format("tiff")
    format.bpp = 16
    format.max_width = 0
    format.max_height = 0
    local name = free_name(image)
    -- What write_image returns means the one thing up to darktable 4.8 and the other since 5.0: the file tells.
    format:write_image(image, name, false)
    if not holds_something(name) then
        os.remove(name)
        return nil, "could not be rendered"
    end
    local program = dt.preferences.read(SCRIPT, "program", "string")
    local preset = dt.preferences.read(SCRIPT, "preset", "string")
    local line = quoted(program) .. " edit --wait --preset " .. quoted(preset) .. " -- " .. quoted(name)
    local ok = os.execute(line)
    -- Lua 5.1 answers with the code, later ones with true.
    if ok ~= true and ok ~= 0 then
        os.remove(name)
        return nil, "retouchd failed; try it in a terminal: " .. line
    end
    return name
end

-- What darktable knows of the image and does not write into a file that a script has it render.
local function carry(image, result)
    for _, field in ipairs(CARRIED) do
        result[field] = image[field]
    end
    for _, tag in ipairs(image:get_tags()) do
        if not tag.name:find("^darktable|") then
            result:attach_tag(tag)
        end
    end
end

local function one(image)
    local name, why = healed(image)
    if not name then
        dt.print("retouchd: " .. image.filename .. ": " .. why)
        return false
    end
    local result = dt.database.import(name)
    result:group_with(image.group_leader)
    carry(image, result)
    return true
end

local function selected()
    local images = dt.gui.selection()
    local job = dt.gui.create_job("retouchd", true)
    local done = 0
    for i, image in ipairs(images) do
        if one(image) then
            done = done + 1
        end
        job.percent = i / #images
    end
    job.valid = false
    dt.print(string.format("retouchd: %d of %d healed", done, #images))
end

dt.gui.libs.image.register_action(SCRIPT, "retouchd", selected, "heal skin blemishes with retouchd")

local script = {}

script.destroy = function()
    dt.gui.libs.image.destroy_action(SCRIPT)
end

return script
