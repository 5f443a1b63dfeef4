-- Give all restored keys their names in one step, so that no process sees a part of them.
-- ARGV: the prefix under which they were restored, the prefix of the service.
-- Returns how many keys were renamed, or -1 if the service has keys already: then nothing is changed.
local restored, service = ARGV[1], ARGV[2]

local function each(prefix, act)
    local cursor = "0"
    repeat
        local found = redis.call("SCAN", cursor, "MATCH", prefix .. "*", "COUNT", 1000)
        cursor = found[1]
        for _, key in ipairs(found[2]) do
            act(key)
        end
    until cursor == "0"
end

local taken = 0
each(service, function() taken = taken + 1 end)
if taken > 0 then
    return -1
end
local renamed = 0
each(restored, function(key)
    if redis.call("EXISTS", key) == 1 then
        redis.call("RENAME", key, service .. string.sub(key, #restored + 1))
        renamed = renamed + 1
    end
end)
return renamed
