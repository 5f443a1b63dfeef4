-- ARGV: seconds, lease, whether the lease counts as lost. Nobody has the chunk for these seconds; then it is ready.

local until_then, member = now() + tonumber(ARGV[1]), ARGV[2]
if not redis.call('ZSCORE', 'catalog:leases', member) then return 0 end
redis.call('ZADD', 'catalog:leases', 'XX', until_then, member)
local id, chunk = string.match(member, '^(%S+) (%d+) %d+$')
if ARGV[3] == '0' then redis.call('SADD', part(id, 'postponed'), chunk) end
return 1
