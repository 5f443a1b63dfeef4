-- ARGV: seconds, lease. Nobody has the chunk for these seconds; then the lease counts as lost and the chunk is ready.

redis.call('ZADD', 'catalog:leases', 'XX', now() + tonumber(ARGV[1]), ARGV[2])
return 1
