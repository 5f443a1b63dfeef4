-- KEYS: version, claim, numbers. ARGV: the number to be replaced, the put's token, seconds for the put.
-- Begins a put; returns its number, or 0 if another taxonomy is in force or is being put.
if tonumber(redis.call('GET', KEYS[1]) or '0') ~= tonumber(ARGV[1]) then return 0 end
if not redis.call('SET', KEYS[2], ARGV[2], 'NX', 'EX', ARGV[3]) then return 0 end
local highest = math.max(tonumber(redis.call('GET', KEYS[3]) or '0'), tonumber(ARGV[1]))
redis.call('SET', KEYS[3], highest + 1)
return highest + 1
