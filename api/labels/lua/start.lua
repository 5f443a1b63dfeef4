-- KEYS: files, items, counts of all tenants together. Counts made before there were counts by tenant are dropped, once:
-- every file is then counted again, for its tenant as well.
if redis.call('HSETNX', KEYS[3], 'by_tenant', 1) == 1 and redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3])
  redis.call('HSET', KEYS[3], 'by_tenant', 1)
end
