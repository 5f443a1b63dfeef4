-- ARGV: outbox, seconds, limit. Takes messages that are due and puts each off by `seconds`, so that one whose taker dies
-- comes up again. Returns the jobs.

local outbox = 'catalog:outbox:' .. ARGV[1]
local due = redis.call('ZRANGE', outbox, '-inf', now(), 'BYSCORE', 'LIMIT', 0, tonumber(ARGV[3]))
for _, id in ipairs(due) do redis.call('ZADD', outbox, now() + tonumber(ARGV[2]), id) end
return due
