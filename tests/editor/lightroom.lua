-- A stub of Lightroom's SDK: as much of it as the plug-in uses, with the SDK's own rules checked.
-- arg: plug-in folder, then for each rendition "ok:PATH" or "failed:MESSAGE"; what retouchd does comes from the
-- environment (PROGRAM). Prints what became of each rendition and what was added to the catalogue.

local folder = arg[1]
package.path = folder .. "/?.lua;" .. package.path
_PLUGIN = { path = folder }

local writing = false
local modules = {}
function import(name)
    return assert(modules[name], "the SDK has no " .. name)
end

local catalog = {}
function catalog.findPhotoByPath(_, path)
    return path:find("known") and { path = path } or nil
end
function catalog.withWriteAccessDo(_, name, act, options)
    assert(type(name) == "string" and options.timeout)
    writing = true
    act({})
    writing = false
end
function catalog.addPhoto(_, path, stackWith, position)
    assert(writing, "addPhoto outside of withWriteAccessDo")
    assert(position == "above" or position == "below")
    if path:find("refused") then
        error("the catalogue says no")
    end
    print("added", path, stackWith.name, position)
end
modules.LrApplication = { activeCatalog = function() return catalog end }
modules.LrTasks = {
    execute = function(line)
        local ok, _, code = os.execute(line)
        if type(ok) == "number" then return ok end
        return ok and 0 or (code or 1)
    end,
    pcall = pcall,
}
modules.LrFileUtils = {
    exists = function(path)
        local file = io.open(path, "rb")
        if file then file:close() end
        return file and "file" or false
    end,
}
modules.LrPathUtils = { removeExtension = function(path) return (path:gsub("%.[^./]*$", "")) end }
modules.LrView = { bind = function(key) return { bound = key } end }

local info = dofile(folder .. "/Info.lua")
assert(info.LrToolkitIdentifier and info.LrSdkVersion)
local filter = dofile(folder .. "/" .. info.LrExportFilterProvider.file)

local settings = {}
for _, field in ipairs(filter.exportPresetFields) do
    settings[field.key] = field.default
end
settings.retouchdProgram = assert(os.getenv("PROGRAM"))
settings.retouchdPreset = os.getenv("PRESET") or settings.retouchdPreset

local factory = setmetatable({}, { __index = function() return function(_, args) return args end end })
local section = filter.sectionForFilterInDialog(factory, settings)
assert(section.title and #section >= 3)

local function rendition(told)
    local kind, what = told:match("^(%a+):(.*)$")
    local source = { photo = { name = what } }
    function source.waitForRender() return kind == "ok", what end
    local satisfied = { done = 0 }
    function satisfied.renditionIsDone(self, ok, message)
        self.done = self.done + 1
        assert(self.done == 1, "a rendition was done twice")
        assert(ok or message, "a failure without a message")
        print(ok and "done" or "failed", what, message or "")
    end
    return source, satisfied
end

local context = { propertyTable = settings, renditionsToSatisfy = {} }
function context.renditions(_, options)
    assert(options.plugin == _PLUGIN and options.renditionsToSatisfy == context.renditionsToSatisfy)
    local index = 1
    return function()
        index = index + 1
        if arg[index] then return rendition(arg[index]) end
    end
end
filter.postProcessRenderedPhotos({}, context)
