-- ARGV: id, endpoint, slots, seconds. Decides whether an attempt to deliver the job's webhook may be made now. If so, it
-- holds one of the endpoint's slots until it is reported, or for these seconds. Returns {verdict, number, tries, round,
-- time, seconds to wait}, or nothing if no attempt is due: the webhook is done or postponed, or another courier is
-- delivering it.

local DONE = {delivered = true, failed = true, disabled = true}
local KEEP, BUSY = 30 * 24 * 3600, 1

local id, endpoint, seconds = ARGV[1], 'catalog:endpoint:' .. ARGV[2], tonumber(ARGV[4])
local slots, time = endpoint .. ':slots', now()
local state, webhook, due = unpack(redis.call('HMGET', job(id), 'state', 'webhook_state', 'webhook_due'))
if not state or live(state) or DONE[webhook] or time < tonumber(due or 0) then return false end

local made = redis.call('HMGET', job(id), 'webhook_attempts', 'webhook_tries', 'webhook_round')
local attempts, tries, round = tonumber(made[1] or 0), tonumber(made[2] or 0), made[3] or '0'
local holder = id .. ' ' .. round
redis.call('ZREMRANGEBYSCORE', slots, '-inf', time)
if redis.call('ZSCORE', slots, holder) then return false end

local function answer(verdict, number, try, wait)
  return {verdict, number, try, tonumber(round), tostring(time), tostring(wait or 0)}
end

local disabled_at, open_until = unpack(redis.call('HMGET', endpoint, 'disabled_at', 'open_until'))
if disabled_at then
  redis.call('EXPIRE', endpoint, KEEP)
  return answer('disabled', attempts + 1, tries)
end
if open_until and time < tonumber(open_until) then return answer('paused', attempts + 1, tries, open_until - time) end
-- After the pause a single attempt shows whether the receiver is back.
local free = open_until and 1 or tonumber(ARGV[3])
if redis.call('ZCARD', slots) >= free then return answer('busy', attempts + 1, tries, BUSY) end

redis.call('ZADD', slots, time + seconds, holder)
redis.call('EXPIRE', slots, math.ceil(seconds))
redis.call('HSET', job(id), 'webhook_state', 'delivering')
attempts = redis.call('HINCRBY', job(id), 'webhook_attempts', 1)
tries = redis.call('HINCRBY', job(id), 'webhook_tries', 1)
return answer('go', attempts, tries)
