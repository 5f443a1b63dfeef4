-- KEYS: files, items, counts of all tenants together. Counts that an earlier release made, with codes as numbers, are
-- dropped, once: every file is then counted again. Returns whether they were.
if redis.call('HSETNX', KEYS[3], 'by_code', 1) == 0 or redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3])
redis.call('HSET', KEYS[3], 'by_code', 1)
return 1
