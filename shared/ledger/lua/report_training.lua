-- ARGV: lease, seconds, report as JSON: set (facts, each as JSON), stages (changed fields by name), log. Records it and
-- renews the lease if the lease is held and the training is live; returns whether it did.

local report = cjson.decode(ARGV[3])
local id = string.match(ARGV[1], '^%S+')
if not redis.call('ZSCORE', 'catalog:leases', ARGV[1]) then return 0 end
if not still_live(id) then
  redis.call('ZREM', 'catalog:leases', ARGV[1])
  return 0
end
local time, record = now(), part(id, 'training')
redis.call('ZADD', 'catalog:leases', time + tonumber(ARGV[2]), ARGV[1])
for name, value in pairs(report.set or {}) do redis.call('HSET', record, name, value) end
for name, change in pairs(report.stages or {}) do
  local before = redis.call('HGET', record, 'stage:' .. name)
  local stage = before and cjson.decode(before) or {}
  if change.state == 'running' then
    stage = {started_at = time}
  elseif change.state then
    stage.finished_at = time
  end
  for field, value in pairs(change) do stage[field] = value end
  redis.call('HSET', record, 'stage:' .. name, cjson.encode(stage))
end
if report.log then redis.call('SET', part(id, 'log'), report.log) end
tell(id, 'running')
return 1
