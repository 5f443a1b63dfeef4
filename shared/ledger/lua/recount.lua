-- Counts each tenant's items without an outcome again, from the jobs that have not ended: a process of another release may
-- have changed some without counting. Also lets go of memory whose jobs have expired.

local found = {}
for _, id in ipairs(redis.call('SMEMBERS', 'catalog:live')) do
  local lane, tenant, total, succeeded, failed, invalid =
    unpack(redis.call('HMGET', job(id), 'lane', 'tenant', 'total', 'succeeded', 'failed', 'invalid'))
  if lane then
    local field = lane .. ' ' .. tenant
    found[field] = (found[field] or 0) + total - succeeded - failed - invalid
  end
end
redis.call('DEL', 'catalog:waiting')
for field, items in pairs(found) do redis.call('HSET', 'catalog:waiting', field, items) end
for _, tenant in ipairs(redis.call('HKEYS', 'catalog:held')) do let_expired_go(tenant) end
return 1
