-- The export action ("post-process action" in the SDK). Lightroom hands over each rendition when its file is
-- complete, so nothing has to guess whether a file is whole. Every rendition ends with success or with a message;
-- one that fails never stops the others.

local LrApplication = import "LrApplication"
local LrFileUtils = import "LrFileUtils"
local LrPathUtils = import "LrPathUtils"
local LrTasks = import "LrTasks"
local LrView = import "LrView"

local RetouchdCommand = require "RetouchdCommand"

local filter = {}

filter.exportPresetFields = {
    { key = "retouchdProgram", default = "retouchd" },
    { key = "retouchdPreset", default = "" },
    { key = "retouchdAddToCatalog", default = true },
}

function filter.sectionForFilterInDialog(viewFactory, _)
    local bind = LrView.bind
    return {
        title = "retouchd: heal skin blemishes",
        viewFactory:row {
            viewFactory:static_text { title = "Program:", width = 180 },
            viewFactory:edit_field { value = bind "retouchdProgram", width_in_chars = 40 },
        },
        viewFactory:row {
            viewFactory:static_text { title = "Preset (empty: the folder's):", width = 180 },
            viewFactory:edit_field { value = bind "retouchdPreset", width_in_chars = 20 },
        },
        viewFactory:checkbox {
            title = "Add each result to the catalogue, above its photo",
            value = bind "retouchdAddToCatalog",
        },
    }
end

-- The result's path, or nil and what went wrong.
local function healed(path, settings)
    local command = RetouchdCommand.process(settings.retouchdProgram, settings.retouchdPreset or "", path)
    local code = LrTasks.execute(command)
    if code ~= 0 then
        return nil, "retouchd ended with " .. tostring(code) .. "; try it in a terminal: " .. command
    end
    local result = RetouchdCommand.resultOf(LrPathUtils.removeExtension(path))
    if not LrFileUtils.exists(result) then
        return nil, "retouchd left no result at " .. result
    end
    return result
end

local function addToCatalog(result, photo)
    local catalog = LrApplication.activeCatalog()
    local inside = catalog:findPhotoByPath(result)
    if inside then
        return
    end
    catalog:withWriteAccessDo("Add what retouchd healed", function()
        catalog:addPhoto(result, photo, "above")
    end, { timeout = 60 })
end

local function one(sourceRendition, renditionToSatisfy, settings)
    local done, pathOrMessage = sourceRendition:waitForRender()
    if not done then
        renditionToSatisfy:renditionIsDone(false, pathOrMessage)
        return
    end
    local result, why = healed(pathOrMessage, settings)
    if not result then
        renditionToSatisfy:renditionIsDone(false, why)
        return
    end
    if settings.retouchdAddToCatalog then
        local added, problem = LrTasks.pcall(addToCatalog, result, sourceRendition.photo)
        if not added then
            renditionToSatisfy:renditionIsDone(false, "healed, but not added to the catalogue: " .. tostring(problem))
            return
        end
    end
    renditionToSatisfy:renditionIsDone(true)
end

function filter.postProcessRenderedPhotos(_, filterContext)
    local settings = filterContext.propertyTable
    local options = {
        plugin = _PLUGIN,
        renditionsToSatisfy = filterContext.renditionsToSatisfy,
    }
    for sourceRendition, renditionToSatisfy in filterContext:renditions(options) do
        one(sourceRendition, renditionToSatisfy, settings)
    end
end

return filter
