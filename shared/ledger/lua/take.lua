-- ARGV: outbox, seconds, limit. Takes due messages and postpones each by `seconds`, so that it is due again if its taker
-- dies. Returns the jobs.

local outbox = 'catalog:outbox:' .. ARGV[1]
local due = redis.call('ZRANGE', outbox, '-inf', now(), 'BYSCORE', 'LIMIT', 0, tonumber(ARGV[3]))
for _, id in ipairs(due) do redis.call('ZADD', outbox, now() + tonumber(ARGV[2]), id) end
return due
