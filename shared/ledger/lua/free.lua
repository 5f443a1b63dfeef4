-- ARGV: id; then chunk, its items with nothing but their ids, and so on. Frees the memory of a cancelled job's items that
-- were never classified.

local id = ARGV[1]
local state, tenant = unpack(redis.call('HMGET', job(id), 'state', 'tenant'))
if state == 'cancelled' then
  for i = 2, #ARGV, 2 do
    local before = redis.call('HSTRLEN', part(id, 'input'), ARGV[i])
    if before > 0 and redis.call('HEXISTS', part(id, 'results'), ARGV[i]) == 0 then
      redis.call('HDEL', part(id, 'input'), ARGV[i])  -- takes no memory, so that the next line may
      redis.call('HSET', part(id, 'input'), ARGV[i], ARGV[i + 1])
      if holds(tenant, id) then hold(tenant, id, #ARGV[i + 1] - before) end
    end
  end
  local expires = redis.call('TTL', part(id, 'order'))
  if expires > 0 then redis.call('EXPIRE', part(id, 'input'), expires) end
end
return 1
