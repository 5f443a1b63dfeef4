-- ARGV: report on an admitted delivery as JSON: job, endpoint, round, attempt, state, pause_s (if there is to be a next
-- attempt), breaker, unmade (if an admitted attempt was not made, so it does not count). Frees the slot, updates the endpoint and the log, and the job's webhook unless a redelivery was
-- requested meanwhile. Returns whether the job still exists.

local KEEP, LONGEST_PAUSE, LOGGED = 30 * 24 * 3600, 15 * 60, 200

local report = cjson.decode(ARGV[1])
local id, attempt, breaker = report.job, report.attempt, report.breaker
local endpoint, log, time = 'catalog:endpoint:' .. report.endpoint, part(id, 'deliveries'), now()

local function count_failure()
  local failures = redis.call('HINCRBY', endpoint, 'failures', 1)
  local open_until = redis.call('HGET', endpoint, 'open_until')
  if failures < breaker.failures or (open_until and time < tonumber(open_until)) then return end
  local openings = redis.call('HINCRBY', endpoint, 'openings', 1)
  local pause = math.min(breaker.pause_s * 2 ^ (openings - 1), math.max(breaker.pause_s, LONGEST_PAUSE))
  redis.call('HSET', endpoint, 'open_until', time + pause)
end

redis.call('ZREM', endpoint .. ':slots', id .. ' ' .. report.round)
if attempt.outcome == 'delivered' then
  redis.call('HDEL', endpoint, 'failures', 'openings', 'open_until')
elseif attempt.status == 410 then
  redis.call('HSET', endpoint, 'disabled_at', time)
elseif attempt.outcome == 'failed' then
  count_failure()
end
redis.call('EXPIRE', endpoint, KEEP)

if redis.call('EXISTS', job(id)) == 0 then return 0 end
if tonumber(redis.call('HGET', job(id), 'webhook_round') or 0) == report.round then
  redis.call('HSET', job(id), 'webhook_state', report.state)
  if report.unmade then
    redis.call('HINCRBY', job(id), 'webhook_attempts', -1)
    redis.call('HINCRBY', job(id), 'webhook_tries', -1)
  end
  if report.pause_s then
    attempt.next_attempt_at = time + report.pause_s
    redis.call('HSET', job(id), 'webhook_due', attempt.next_attempt_at)
    redis.call('ZADD', 'catalog:outbox:webhook', attempt.next_attempt_at, id)
  else
    redis.call('HDEL', job(id), 'webhook_due')
    redis.call('ZREM', 'catalog:outbox:webhook', id)
  end
end

-- An attempt that is postponed repeatedly has one entry.
local last = attempt.outcome == 'postponed' and redis.call('LINDEX', log, -1)
if last and cjson.decode(last).outcome == 'postponed' then redis.call('RPOP', log) end
redis.call('RPUSH', log, cjson.encode(attempt))
redis.call('LTRIM', log, -LOGGED, -1)
redis.call('PEXPIRE', log, redis.call('PTTL', job(id)))
return 1
