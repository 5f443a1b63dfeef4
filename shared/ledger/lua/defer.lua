-- ARGV: seconds, then an "id chunk" member. The chunk stays with nobody for so long, then it is ready again.

redis.call('ZADD', 'catalog:leases', 'XX', now() + tonumber(ARGV[1]), ARGV[2])
return 1
