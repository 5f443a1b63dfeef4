-- ARGV: seconds, and a lease. The chunk stays with nobody for so long, then it counts as lost and is ready again.

redis.call('ZADD', 'catalog:leases', 'XX', now() + tonumber(ARGV[1]), ARGV[2])
return 1
