-- KEYS: version, claim, latest. ARGV: the number that is replaced, the put's token, its number, its file.
-- Ends a put whose file is written; returns 0 if another put has taken over because this one took too long.
local claim = redis.call('GET', KEYS[2])
if claim and claim ~= ARGV[2] then return 0 end
if tonumber(redis.call('GET', KEYS[1]) or '0') ~= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[3])
redis.call('SET', KEYS[3], ARGV[4])
redis.call('DEL', KEYS[2])
return 1
