std = "lua51"
max_line_length = 120
read_globals = { "import", "_PLUGIN" } -- Lightroom's own
