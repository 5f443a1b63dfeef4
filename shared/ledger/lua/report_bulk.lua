-- ARGV: id, the step that was worked on, file of decisions or '', decisions in it, where the next step begins, state, what
-- went wrong or ''. Counts a step of a bulk decision, unless another process has counted it before.

local id, step, file, decisions, cursor, state, problem = unpack(ARGV)
local key = 'catalog:bulk:' .. id
if redis.call('HGET', key, 'step') ~= step then return false end
redis.call('HINCRBY', key, 'step', 1)
redis.call('HSET', key, 'cursor', cursor, 'state', state, 'problem', problem)
if redis.call('HGET', key, 'undoing') == '1' then
  redis.call('HINCRBY', key, 'undone', decisions)
else
  redis.call('HINCRBY', key, 'decided', decisions)
  if file ~= '' then redis.call('RPUSH', key .. ':files', file) end
end
local seconds = redis.call('TTL', key)
if seconds > 0 then redis.call('EXPIRE', key .. ':files', seconds) end
if state == 'running' or state == 'undoing' then
  redis.call('ZADD', 'catalog:bulks', now(), id)
else
  redis.call('ZREM', 'catalog:bulks', id)
end
return true
