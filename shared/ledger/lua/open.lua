-- ARGV: the job's facts as JSON. Turns the staged chunks into a queued job. Returns 'queued', or why not: {whose limit,
-- lane, items that wait}, 'lost' (staged chunks have expired) or 'superseded' (the idempotency key's claim expired, and
-- another request has the key).

local new = cjson.decode(ARGV[1])
local id, todo = new.id, new.total - new.invalid
local claim = new.idempotency and 'catalog:idempotency:' .. new.idempotency.key

-- Opening again after a lost reply is harmless.
if redis.call('EXISTS', job(id)) == 1 then return 'queued' end
if claim and redis.call('HGET', claim, 'token') ~= new.idempotency.token then return 'superseded' end
local refusal = no_room(new.lane, new.tenant, todo, new.max_queued, new.max_waiting)
if refusal then return refusal end
local staged = redis.call('HLEN', part(id, 'input')) + redis.call('HLEN', part(id, 'results'))
if staged ~= new.chunks then return 'lost' end

local time = now()
local facts = {
  state = 'queued', queued_at = time, deadline = time + new.deadline_s, total = new.total, invalid = new.invalid,
  succeeded = 0, failed = 0, cancelled = 0, expired = 0, needs_review = 0, chunks = new.chunks, lane = new.lane,
  tenant = new.tenant, keep = new.keep, keep_record = new.keep_record, tracked = new.tracked,
  keep_inputs = new.keep_inputs, webhook_url = new.webhook_url, error_budget = new.error_budget, parent = new.parent,
  traceparent = new.traceparent, pictures = new.pictures, explain = new.explain, name = new.name,
  metadata = new.metadata,
}
local fields = {}
for name, value in pairs(facts) do
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end
redis.call('HSET', job(id), unpack(fields))
redis.call('PERSIST', part(id, 'input'))
redis.call('PERSIST', part(id, 'results'))
if new.columns then redis.call('HSET', part(id, 'sent'), 'columns', new.columns) end
-- It does not last for ever if a process of an earlier release, which does not know it, ends the job.
redis.call('EXPIRE', part(id, 'sent'), math.ceil(new.deadline_s + new.keep) + READING)
local lasts = math.ceil(new.deadline_s + new.keep + new.keep_record)
if redis.call('PERSIST', part(id, 'training')) == 1 then
  enlist('catalog:trainings:' .. new.tenant, id, time, lasts)
elseif new.listed then
  enlist('catalog:jobs:' .. new.tenant, id, time, lasts)
end
for chunk = 0, new.chunks - 1 do
  local invalid = redis.call('HEXISTS', part(id, 'results'), chunk) == 1
  redis.call('RPUSH', part(id, invalid and 'order' or 'ready'), chunk)
end
give_turn(id)
redis.call('SADD', 'catalog:live', id)
redis.call('ZADD', 'catalog:deadlines', facts.deadline, id)
add_waiting(new.lane, new.tenant, todo)
if holds(new.tenant, id) then
  hold(new.tenant, id, record_bytes(id) + #(new.columns or ''))
  hold_until(new.tenant, id, facts.deadline + new.keep + READING)
end
redis.call('HINCRBY', 'catalog:totals:' .. new.lane, 'accepted', 1)
redis.call('HINCRBY', 'catalog:totals:' .. new.lane, 'accepted_items', todo)
if claim then
  redis.call('HDEL', claim, 'token')
  redis.call('HSET', claim, 'job', id, 'fingerprint', new.idempotency.fingerprint)
  redis.call('EXPIRE', claim, new.idempotency.keep_s)
end
return 'queued'
