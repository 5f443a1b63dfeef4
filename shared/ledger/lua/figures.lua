-- ARGV: jobs to look at, number of outboxes, their names, lanes. Returns the state of the queue and changes nothing:
-- {time, leased chunks of live jobs, each {lane, input}, outboxes, each {messages, first due}, lanes, each {items without
-- an outcome, waiting jobs, ready chunks of those looked at, acceptance of the oldest waiting job, totals}}.

local look_at, outboxes = tonumber(ARGV[1]), tonumber(ARGV[2])
local leased, boxes, lanes = {}, {}, {}

for _, member in ipairs(redis.call('ZRANGE', 'catalog:leases', 0, -1)) do
  local id, chunk = string.match(member, '^(%S+) (%d+) %d+$')
  local state, lane = unpack(redis.call('HMGET', job(id or ''), 'state', 'lane'))
  local input = live(state) and redis.call('HGET', part(id, 'input'), chunk)
  if input then table.insert(leased, {lane, input}) end
end

for i = 3, 2 + outboxes do
  local outbox = 'catalog:outbox:' .. ARGV[i]
  local first = redis.call('ZRANGE', outbox, 0, 0, 'WITHSCORES')[2]
  table.insert(boxes, {redis.call('ZCARD', outbox), first or false})
end

for i = 3 + outboxes, #ARGV do
  local waiting, ready, left, oldest = 0, 0, look_at, false
  local accepted = 'catalog:job:*->queued_at'
  for _, tenant in ipairs(redis.call('ZRANGE', turns(ARGV[i]), 0, -1)) do
    local jobs = turns(ARGV[i], tenant)
    waiting = waiting + redis.call('ZCARD', jobs)
    for _, id in ipairs(left > 0 and redis.call('ZRANGE', jobs, 0, left - 1) or {}) do
      ready, left = ready + redis.call('LLEN', part(id, 'ready')), left - 1
    end
    local first = redis.call('SORT', jobs, 'BY', accepted, 'LIMIT', 0, 1, 'GET', accepted)[1]
    if first and (not oldest or tonumber(first) < tonumber(oldest)) then oldest = first end
  end
  table.insert(lanes, {
    redis.call('GET', 'catalog:pending:' .. ARGV[i]),
    waiting,
    ready,
    oldest,
    redis.call('HGETALL', 'catalog:totals:' .. ARGV[i]),
  })
end

return {tostring(now()), leased, boxes, lanes}
