-- ARGV: lane, seconds. Leases the next chunk in turn. Returns {id, chunk, input, attempt, losses, tenant, traceparent},
-- or nothing.

local lane, seconds = 'catalog:lane:' .. ARGV[1], tonumber(ARGV[2])
local id = redis.call('LMOVE', lane, lane, 'LEFT', 'RIGHT')
while id do
  local chunk = still_live(id) and redis.call('LPOP', part(id, 'ready'))
  if redis.call('LLEN', part(id, 'ready')) == 0 then redis.call('LREM', lane, 0, id) end
  if chunk then
    local attempt = redis.call('HINCRBY', part(id, 'attempts'), chunk, 1)
    redis.call('ZADD', 'catalog:leases', now() + seconds, member_of(id, chunk, attempt))
    if redis.call('HGET', job(id), 'state') == 'queued' then enter(id, 'running', now()) end
    local losses = tonumber(redis.call('HGET', part(id, 'losses'), chunk) or 0)
    local tenant, traceparent = unpack(redis.call('HMGET', job(id), 'tenant', 'traceparent'))
    return {id, tonumber(chunk), redis.call('HGET', part(id, 'input'), chunk), attempt, losses, tenant, traceparent}
  end
  id = redis.call('LMOVE', lane, lane, 'LEFT', 'RIGHT')
end
return false
