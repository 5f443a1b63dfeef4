-- The beginning of every step. Time is by Redis's clock, so that no other machine's clock matters.

-- Seconds for which results outlive their expiry, so that a client that is reading them gets all of them.
local READING = 600

local function now()
  local time = redis.call('TIME')
  return tonumber(time[1]) + tonumber(time[2]) / 1e6
end

local function job(id) return 'catalog:job:' .. id end
local function part(id, name) return job(id) .. ':' .. name end
local function live(state) return state == 'queued' or state == 'running' end

local function counts(id)
  local found = redis.call('HMGET', job(id), 'total', 'succeeded', 'failed', 'invalid')
  local total, succeeded, failed, invalid = unpack(found)
  return tonumber(total), tonumber(succeeded), tonumber(failed), tonumber(invalid)
end

-- Tell callers that wait: the job is in this state, or goes on in it. What nobody hears is
-- lost, so API processes also look.
local function tell(id, state) redis.call('PUBLISH', 'catalog:changes', id .. ' ' .. state) end

-- The only place where a state changes; LEGAL is `TRANSITIONS` of states.py.
local function enter(id, state, time)
  local before = redis.call('HGET', job(id), 'state')
  if not LEGAL[before][state] then error('job ' .. id .. ' cannot go from ' .. before .. ' to ' .. state) end
  redis.call('HSET', job(id), 'state', state, state .. '_at', time)
  tell(id, state)
end

-- Turns: the lane's tenants in turn, and each tenant's jobs in turn. A turn leads to the end.
local function turns(lane, tenant) return 'catalog:turns:' .. lane .. (tenant and ':' .. tenant or '') end

local function to_the_end(key, member)
  local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2]
  redis.call('ZADD', key, (last or 0) + 1, member)
end

local function give_turn(id)
  local lane, tenant = unpack(redis.call('HMGET', job(id), 'lane', 'tenant'))
  to_the_end(turns(lane, tenant), id)
  if not redis.call('ZSCORE', turns(lane), tenant) then to_the_end(turns(lane), tenant) end
end

local function drop_turn(lane, tenant, id)
  redis.call('ZREM', turns(lane, tenant), id)
  if redis.call('EXISTS', turns(lane, tenant)) == 0 then redis.call('ZREM', turns(lane), tenant) end
end

-- Items without an outcome are counted per lane, and per lane and tenant.
local function add_waiting(lane, tenant, items)
  redis.call('INCRBY', 'catalog:pending:' .. lane, items)
  local field = lane .. ' ' .. tenant
  if redis.call('HINCRBY', 'catalog:waiting', field, items) <= 0 then redis.call('HDEL', 'catalog:waiting', field) end
end

-- A refused request, counted by whose limit it met: a tenant's or everyone's.
local function refused(whose, what, ...)
  redis.call('HINCRBY', 'catalog:refused', whose .. ' ' .. what, 1)
  return {whose, what, ...}
end

-- Return why this many more items cannot wait, with how many do; nothing if they can. What is larger than a limit on its
-- own is taken if nothing else waits.
local function no_room(lane, tenant, items, most, tenants_most)
  local own = tonumber(redis.call('HGET', 'catalog:waiting', lane .. ' ' .. tenant) or 0)
  if tenants_most and own > 0 and own + items > tenants_most then return refused('tenant', lane, own) end
  local all = tonumber(redis.call('GET', 'catalog:pending:' .. lane) or 0)
  if all > 0 and all + items > most then return refused('all', lane, all) end
end

-- Memory that a tenant's jobs hold in Redis: {tenant} in total, held:{tenant} by job, and until when at the latest.
-- Jobs of an older release are not in it. RECORD is what a job with one item holds besides its items and results, its
-- name and metadata.
local RECORD = 1500
local function held(tenant) return 'catalog:held:' .. tenant end

local function record_bytes(id)
  return RECORD + redis.call('HSTRLEN', job(id), 'name') + redis.call('HSTRLEN', job(id), 'metadata')
end

local function hold(tenant, id, bytes)
  redis.call('HINCRBY', held(tenant), id, bytes)
  redis.call('HINCRBY', 'catalog:held', tenant, bytes)
end

local function holds(tenant, id) return redis.call('HEXISTS', held(tenant), id) == 1 end
local function hold_until(tenant, id, time) redis.call('ZADD', held(tenant) .. ':until', time, id) end

local function let_go(tenant, id)
  redis.call('ZREM', held(tenant) .. ':until', id)
  local bytes = redis.call('HGET', held(tenant), id)
  redis.call('HDEL', held(tenant), id)
  local left = bytes and redis.call('HINCRBY', 'catalog:held', tenant, -bytes)
  if left and left <= 0 then redis.call('HDEL', 'catalog:held', tenant) end
end

-- Let go of what has expired; of a job whose results have, the record is left.
local function let_expired_go(tenant)
  local time = now()
  for _, id in ipairs(redis.call('ZRANGE', held(tenant) .. ':until', '-inf', time, 'BYSCORE', 'LIMIT', 0, 100)) do
    local lasts = redis.call('TTL', job(id))
    let_go(tenant, id)
    if lasts > 0 then
      hold(tenant, id, record_bytes(id))
      hold_until(tenant, id, time + lasts + 1)
    end
  end
end

-- Add a job to its tenant's list. Records expire: for each that is added, two old ones are looked at, so that the list
-- shrinks faster than it grows, and a list to which nothing is added expires after its last record.
local function enlist(list, id, time, lasts)
  redis.call('ZADD', list, time, id)
  for _, oldest in ipairs(redis.call('ZRANGE', list, 0, 1)) do
    if redis.call('EXISTS', job(oldest)) == 0 then redis.call('ZREM', list, oldest) end
  end
  if redis.call('TTL', list) < lasts + READING then redis.call('EXPIRE', list, lasts + READING) end
end

-- Items without an outcome expire or are cancelled with their job. Their chunks come last in the list of results.
local function give_up_rest(id, state)
  local total, succeeded, failed, invalid = counts(id)
  local rest = total - succeeded - failed - invalid
  if rest == 0 then return end
  redis.call('HSET', job(id), state == 'expired' and 'expired' or 'cancelled', rest)
  local lane, tenant = unpack(redis.call('HMGET', job(id), 'lane', 'tenant'))
  add_waiting(lane, tenant, -rest)
  for chunk = 0, tonumber(redis.call('HGET', job(id), 'chunks')) - 1 do
    if redis.call('HEXISTS', part(id, 'results'), chunk) == 0 then redis.call('RPUSH', part(id, 'order'), chunk) end
  end
end

local function finish(id, state, reason)
  -- First a command that takes no memory: after it, a script goes on even if Redis has none left.
  redis.call('SREM', 'catalog:live', id)
  local time = now()
  enter(id, state, time)
  give_up_rest(id, state)
  local facts = redis.call('HMGET', job(id), 'lane', 'keep', 'keep_record', 'webhook_url', 'tracked', 'tenant')
  local keep, keep_record = tonumber(facts[2]), tonumber(facts[3])
  redis.call('HSET', job(id), 'results_expire_at', time + keep)
  if reason then redis.call('HSET', job(id), 'reason', reason) end
  drop_turn(facts[1], facts[6], id)
  if holds(facts[6], id) then hold_until(facts[6], id, time + keep + READING) end
  redis.call('HINCRBY', 'catalog:totals:' .. facts[1], state, 1)
  redis.call('ZREM', 'catalog:deadlines', id)
  redis.call('DEL', part(id, 'ready'), part(id, 'attempts'), part(id, 'losses'), part(id, 'postponed'))
  -- For API processes of the release before, which wait at this list.
  redis.call('RPUSH', part(id, 'done'), state)
  for _, name in ipairs({'input', 'kept', 'results', 'facets', 'likeness', 'sent', 'decided', 'order', 'done'}) do
    redis.call('EXPIRE', part(id, name), keep + READING)
  end
  for _, key in ipairs({job(id), part(id, 'training'), part(id, 'log')}) do redis.call('EXPIRE', key, keep + keep_record) end
  if facts[4] then redis.call('ZADD', 'catalog:outbox:webhook', time, id) end
  if facts[5] == '1' then redis.call('ZADD', 'catalog:outbox:tracking', time, id) end
end

-- End the job if its deadline has passed; return whether it is still live.
local function still_live(id)
  local state, deadline = unpack(redis.call('HMGET', job(id), 'state', 'deadline'))
  if not live(state) then return false end
  if now() < tonumber(deadline) then return true end
  finish(id, 'expired', 'deadline')
  return false
end

-- A lease names its attempt, so that a worker that wakes from a long pause cannot touch a later lease of its chunk.
local function member_of(id, chunk, attempt) return id .. ' ' .. chunk .. ' ' .. attempt end

-- Return a leased chunk, as the next one of its job; count the loss if its holder was lost. Returns 1, or 0 for a chunk
-- that was postponed or whose lease is gone.
local function release(member, lost)
  if redis.call('ZREM', 'catalog:leases', member) == 0 then return 0 end
  local id, chunk = string.match(member, '^(%S+) (%d+) %d+$')
  -- A lease of another form comes from an older release: the audit finds its chunk.
  if not id or redis.call('HGET', job(id), 'state') ~= 'running' then return 0 end
  local postponed = redis.call('SREM', part(id, 'postponed'), chunk) == 1
  if lost and not postponed then redis.call('HINCRBY', part(id, 'losses'), chunk, 1) end
  redis.call('LPUSH', part(id, 'ready'), chunk)
  give_turn(id)
  return postponed and 0 or 1
end

-- Items that people have reserved: until when each is, and by the first item of each card its person and its items, by lines.
local function reserved(tenant) return 'catalog:review:reserved:' .. tenant end
local function cards(tenant) return 'catalog:review:cards:' .. tenant end

-- Give an item back; if it is the first of a card, the whole card.
local function give_back(tenant, member)
  redis.call('ZREM', reserved(tenant), member)
  local card = redis.call('HGET', cards(tenant), member)
  if not card then return end
  for line in string.gmatch(card, '[^\n]+') do redis.call('ZREM', reserved(tenant), line) end
  redis.call('HDEL', cards(tenant), member)
end

-- Let go of what has expired.
local function let_reservations_go(tenant)
  local time = now()
  for _, member in ipairs(redis.call('ZRANGE', reserved(tenant), '-inf', time, 'BYSCORE')) do
    redis.call('HDEL', cards(tenant), member)
  end
  redis.call('ZREMRANGEBYSCORE', reserved(tenant), '-inf', time)
end
