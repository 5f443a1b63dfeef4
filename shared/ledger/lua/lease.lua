-- ARGV: lane, seconds. Leases the next chunk in turn. Returns {id, chunk, input, attempt, losses, tenant, traceparent,
-- pictures, explain}, or nothing.

local lane, seconds = ARGV[1], tonumber(ARGV[2])
local tenant = redis.call('ZRANGE', turns(lane), 0, 0)[1]
while tenant do
  local id = redis.call('ZRANGE', turns(lane, tenant), 0, 0)[1]
  local chunk = id and still_live(id) and redis.call('LPOP', part(id, 'ready'))
  if chunk and redis.call('LLEN', part(id, 'ready')) > 0 then
    to_the_end(turns(lane, tenant), id)
  else
    drop_turn(lane, tenant, id or '')
  end
  if chunk then
    if redis.call('ZSCORE', turns(lane), tenant) then to_the_end(turns(lane), tenant) end
    local attempt = redis.call('HINCRBY', part(id, 'attempts'), chunk, 1)
    redis.call('ZADD', 'catalog:leases', now() + seconds, member_of(id, chunk, attempt))
    if redis.call('HGET', job(id), 'state') == 'queued' then enter(id, 'running', now()) end
    local losses = tonumber(redis.call('HGET', part(id, 'losses'), chunk) or 0)
    local traceparent, pictures, explain = unpack(redis.call('HMGET', job(id), 'traceparent', 'pictures', 'explain'))
    local input = redis.call('HGET', part(id, 'input'), chunk)
    return {id, tonumber(chunk), input, attempt, losses, tenant, traceparent, pictures, explain}
  end
  tenant = redis.call('ZRANGE', turns(lane), 0, 0)[1]
end
return false
