-- ARGV: tenant, bundle, threshold, '1' if it is pinned, the move as JSON without its time, '1' if a person moves it, most
-- moves to keep. What a person has pinned, only a person moves. Returns whether it was moved.

local tenant, bundle, threshold, pinned, move, person, most = unpack(ARGV)
local key = 'catalog:promise:threshold:' .. tenant
if person ~= '1' and redis.call('HGET', key, 'pinned') == '1' then return 0 end
redis.call('HSET', key, 'bundle', bundle, 'threshold', threshold, 'pinned', pinned)
local moves = 'catalog:promise:moves:' .. tenant
redis.call('LPUSH', moves, now() .. ' ' .. move)
redis.call('LTRIM', moves, 0, tonumber(most) - 1)
return 1
