-- What is run, without a word of Lightroom in it, so that it can be tried anywhere.

local command = {}

local WINDOWS = package.config:sub(1, 1) == "\\"

-- One word of a command line, whatever is in it. Windows: quotes cannot be part of a name there.
function command.quoted(word)
    if WINDOWS then
        return '"' .. word .. '"'
    end
    return "'" .. word:gsub("'", "'\\''") .. "'"
end

-- Without a preset retouchd takes the folder's: one that is named counts before it.
function command.process(program, preset, path)
    local words = { command.quoted(program), "process" }
    if preset ~= "" then
        words[#words + 1] = "--preset"
        words[#words + 1] = command.quoted(preset)
    end
    words[#words + 1] = "--"
    words[#words + 1] = command.quoted(path)
    local line = table.concat(words, " ")
    -- cmd.exe takes the first and the last quote of a line away.
    if WINDOWS then
        return '"' .. line .. '"'
    end
    return line
end

-- Where retouchd puts the result of a file, given its path without the ending.
function command.resultOf(stem)
    return stem .. "-retouched.tif"
end

return command
