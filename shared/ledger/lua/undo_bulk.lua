-- ARGV: id. Begins to take an ended bulk decision back; returns its state as it was before, which is changed only if it is
-- 'completed' or 'failed'.

local key = 'catalog:bulk:' .. ARGV[1]
local state = redis.call('HGET', key, 'state')
if state == 'completed' or state == 'failed' then
  redis.call('HSET', key, 'state', 'undoing', 'undoing', '1', 'cursor', '0', 'problem', '')
  redis.call('ZADD', 'catalog:bulks', now(), ARGV[1])
end
return state
