-- ARGV: id, part, chunk, packed chunk, what is given back with its results or '', seconds; and, if its memory is to be
-- limited: tenant, share of Redis' memory that may be used, share of that for the tenant. Stages the chunk. Returns
-- nothing, or why not: {whose limit, 'memory', bytes used, limit}.

local id, name, chunk, packed, sent, seconds, tenant, share, tenants_share = unpack(ARGV)
local bytes = #packed + #sent

local function memory()
  local info = redis.call('INFO', 'memory')
  local most = tonumber(string.match(info, '\nmaxmemory:(%d+)'))
  if most == 0 then most = tonumber(string.match(info, '\ntotal_system_memory:(%d+)')) end
  return tonumber(string.match(info, '\nused_memory:(%d+)')), most
end

if tenant then
  let_expired_go(tenant)
  local used, most = memory()
  local limit = most * share
  if used + bytes > limit then return refused('all', 'memory', used, limit) end
  local own = tonumber(redis.call('HGET', 'catalog:held', tenant) or 0)
  if tonumber(tenants_share) < 1 and own + bytes > limit * tenants_share then
    return refused('tenant', 'memory', own, limit * tenants_share)
  end
  hold(tenant, id, bytes)
  hold_until(tenant, id, now() + seconds)
end
redis.call('HSET', part(id, name), chunk, packed)
if sent ~= '' then redis.call('HSET', part(id, 'sent'), chunk, sent) end
for _, staged in ipairs({'input', 'results', 'sent'}) do redis.call('EXPIRE', part(id, staged), seconds) end
return false
