-- ARGV: seconds. Gives a bulk decision that is due to this process for that long; returns its id, or false if none is due.

local due = redis.call('ZRANGEBYSCORE', 'catalog:bulks', '-inf', now(), 'LIMIT', 0, 1)[1]
if not due then return false end
redis.call('ZADD', 'catalog:bulks', now() + tonumber(ARGV[1]), due)
return due
