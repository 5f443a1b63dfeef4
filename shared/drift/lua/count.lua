-- ARGV: seconds to keep, bundle, then name and count of each counter. Adds them to today's by Redis's clock.

local day = math.floor(tonumber(redis.call('TIME')[1]) / 86400)
local keep, bundle = tonumber(ARGV[1]), ARGV[2]
local key = 'catalog:drift:' .. day .. ':' .. bundle
for position = 3, #ARGV, 2 do
  redis.call('HINCRBY', key, ARGV[position], ARGV[position + 1])
end
redis.call('EXPIRE', key, keep)
redis.call('EXPIRE', 'catalog:drift:reference:' .. bundle, keep)
redis.call('ZADD', 'catalog:drift:days', day, day .. ' ' .. bundle)
redis.call('ZREMRANGEBYSCORE', 'catalog:drift:days', '-inf', day - math.ceil(keep / 86400) - 1)
