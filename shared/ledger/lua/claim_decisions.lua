-- ARGV: tenant, token, seconds, identifier of the request, seconds for which it leads to its files, perhaps 0. Gives this
-- request the turn to write a tenant's decisions, so that their files arrive in the order in which they are applied; false
-- if another one has it. Returns the moment of the file in microseconds, later than every other; a list of the moments of
-- the files of earlier attempts of this request; and of each of the tenant's files that may have been written without
-- being applied moment and identifier.

local tenant, token, identifier, keep = ARGV[1], ARGV[2], ARGV[4], ARGV[5]
local unapplied, request = 'catalog:decisions:unapplied:' .. tenant, 'catalog:decisions:request:' .. identifier
if not redis.call('SET', 'catalog:decisions:turn:' .. tenant, token, 'NX', 'EX', ARGV[3]) then return false end
local time = redis.call('TIME')
local last = tonumber(redis.call('GET', 'catalog:decisions:last') or 0)
local moment = string.format('%.0f', math.max(tonumber(time[1]) * 1e6 + tonumber(time[2]), last + 1))
local left = redis.call('HGETALL', unapplied)
local earlier = redis.call('LRANGE', request, 0, -1)
redis.call('SET', 'catalog:decisions:last', moment)
redis.call('HSET', unapplied, moment, identifier)
if keep ~= '0' then
  redis.call('RPUSH', request, moment)
  redis.call('LTRIM', request, -100, -1)
  redis.call('EXPIRE', request, keep)
end
return {moment, earlier, unpack(left)}
