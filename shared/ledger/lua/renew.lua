-- ARGV: seconds, leases. Renews those that are still held.

local lasts_until = now() + tonumber(ARGV[1])
for i = 2, #ARGV do redis.call('ZADD', 'catalog:leases', 'XX', lasts_until, ARGV[i]) end
return 1
