-- ARGV: id, chunk, results, items to keep for a retry or '', succeeded, failed, needs_review, bundle, facets of the
-- results, likeness of those that need a look or ''. The first commit of a chunk counts, by any worker; a later one, or one
-- after the job's end or deadline, changes nothing and returns false. Returns the job's state. A worker of the release
-- before gives neither facets nor likeness.

local id, chunk, results, failures = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local facets, likeness = ARGV[9] or '', ARGV[10] or ''
local items = tonumber(ARGV[5]) + tonumber(ARGV[6])
local attempt = redis.call('HGET', part(id, 'attempts'), chunk)
if attempt then redis.call('ZREM', 'catalog:leases', member_of(id, chunk, attempt)) end
if not still_live(id) then return false end
if redis.call('HSETNX', part(id, 'results'), chunk, results) == 0 then return false end

local lane, tenant, keep_inputs = unpack(redis.call('HMGET', job(id), 'lane', 'tenant', 'keep_inputs'))
local kept = keep_inputs == '1' and redis.call('HGET', part(id, 'input'), chunk)
if holds(tenant, id) then
  local freed = kept and 0 or redis.call('HSTRLEN', part(id, 'input'), chunk)
  hold(tenant, id, #results + #failures + #facets + #likeness - freed)
end
if facets ~= '' then redis.call('HSET', part(id, 'facets'), chunk, facets) end
if likeness ~= '' then
  redis.call('HSET', part(id, 'likeness'), chunk, likeness)
  -- It does not last for ever if a process of the release before, which does not know it, ends the job.
  local deadline, keep = unpack(redis.call('HMGET', job(id), 'deadline', 'keep'))
  redis.call('EXPIRE', part(id, 'likeness'), math.ceil(tonumber(deadline) - now() + tonumber(keep)) + READING)
end
redis.call('LREM', part(id, 'ready'), 0, chunk)
redis.call('HDEL', part(id, 'attempts'), chunk)
redis.call('HDEL', part(id, 'losses'), chunk)
redis.call('RPUSH', part(id, 'order'), chunk)
if kept then redis.call('HSET', part(id, 'kept'), chunk, kept) end
if failures == '' then
  redis.call('HDEL', part(id, 'input'), chunk)
else
  redis.call('HSET', part(id, 'input'), chunk, failures)
end
redis.call('HINCRBY', job(id), 'succeeded', ARGV[5])
redis.call('HINCRBY', job(id), 'failed', ARGV[6])
redis.call('HINCRBY', job(id), 'needs_review', ARGV[7])
if ARGV[5] ~= '0' then redis.call('HINCRBY', job(id), 'model:' .. ARGV[8], ARGV[5]) end
add_waiting(lane, tenant, -items)
local window = 'catalog:done:' .. lane .. ':' .. math.floor(now() / 10)
redis.call('INCRBY', window, items)
redis.call('EXPIRE', window, 120)

local total, succeeded, failed, invalid = counts(id)
local budget = redis.call('HGET', job(id), 'error_budget')
if budget and failed * 100 > tonumber(budget) * (total - invalid) then
  finish(id, 'failed', 'error_budget')
elseif succeeded + failed + invalid == total then
  if succeeded == total then finish(id, 'completed') elseif succeeded == 0 then finish(id, 'failed') else finish(id, 'partial') end
else
  tell(id, 'running')
end
return redis.call('HGET', job(id), 'state')
