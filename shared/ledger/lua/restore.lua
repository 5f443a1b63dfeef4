-- ARGV: id, chunks that seem to be nowhere. Makes those that really are ready again, and gives the job a turn if it has
-- ready chunks; returns the number of restored chunks and turns.

local id, restored = ARGV[1], 0
if not still_live(id) then
  redis.call('SREM', 'catalog:live', id)
  return 0
end
for i = 2, #ARGV do
  local chunk = ARGV[i]
  local somewhere = redis.call('HEXISTS', part(id, 'results'), chunk) == 1
    or redis.call('ZSCORE', 'catalog:leases', member_of(id, chunk, redis.call('HGET', part(id, 'attempts'), chunk) or 0))
    or redis.call('LPOS', part(id, 'ready'), chunk)
  if not somewhere then
    redis.call('RPUSH', part(id, 'ready'), chunk)
    restored = restored + 1
  end
end
local lane, tenant = unpack(redis.call('HMGET', job(id), 'lane', 'tenant'))
local has_turn = redis.call('ZSCORE', turns(lane), tenant) and redis.call('ZSCORE', turns(lane, tenant), id)
if redis.call('LLEN', part(id, 'ready')) > 0 and not has_turn then
  give_turn(id)
  restored = restored + 1
end
return restored
