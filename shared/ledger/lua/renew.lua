-- ARGV: seconds, then "id chunk" members. Only leases that are still held are renewed; returns those that are not.

local lost = {}
for i = 2, #ARGV do
  if redis.call('ZSCORE', 'catalog:leases', ARGV[i]) then
    redis.call('ZADD', 'catalog:leases', now() + tonumber(ARGV[1]), ARGV[i])
  else
    table.insert(lost, ARGV[i])
  end
end
return lost
