-- retouchd in Lightroom Classic: an export action that heals each finished file and brings the result back into
-- the catalogue, stacked with its photo.
return {
    LrSdkVersion = 6.0,
    LrSdkMinimumVersion = 5.0,
    LrToolkitIdentifier = "org.retouchd.lightroom",
    LrPluginName = "retouchd",
    LrExportFilterProvider = {
        title = "retouchd: heal skin blemishes",
        file = "RetouchdFilter.lua",
        id = "retouchd",
    },
    VERSION = { major = 0, minor = 1, revision = 0 },
}
