"""The ledger's atomic steps, in Lua. Time is Redis's own, so that no machine's clock matters.

Keys, below the prefix `catalog:`:

    job:{id}            hash: the job's facts and counts
    job:{id}:input      hash: chunk → packed items
    job:{id}:results    hash: chunk → packed results
    job:{id}:ready      list: chunks that nobody has in hand
    job:{id}:committed  list: chunks in the order of their commit; what a results cursor walks along
    job:{id}:attempts   hash: chunk → how often it was leased
    job:{id}:done       list: one element once the job has ended, for whoever waits
    lane:{lane}         list: jobs with ready chunks, in turn
    leases              zset: "id chunk" → when the lease runs out
    outbox:{name}       zset: job → when its message is due
"""

_HELPERS = """
local function now()
  local t = redis.call('TIME')
  return tonumber(t[1]) + tonumber(t[2]) / 1e6
end
local function key(id, part) return 'catalog:job:' .. id .. ':' .. part end
local function job(id) return 'catalog:job:' .. id end
local function finish(id, state)
  redis.call('HSET', job(id), 'state', state, 'finished_at', now())
  local facts = redis.call('HMGET', job(id), 'lane', 'keep', 'webhook_url', 'tracked')
  local keep = tonumber(facts[2])
  redis.call('LREM', 'catalog:lane:' .. facts[1], 0, id)
  redis.call('DEL', key(id, 'ready'), key(id, 'attempts'))
  redis.call('RPUSH', key(id, 'done'), state)
  for _, part in ipairs({'input', 'results', 'committed', 'done'}) do redis.call('EXPIRE', key(id, part), keep) end
  redis.call('EXPIRE', job(id), keep)
  if facts[3] then redis.call('ZADD', 'catalog:outbox:webhook', now(), id) end
  if facts[4] == '1' then redis.call('ZADD', 'catalog:outbox:tracking', now(), id) end
end
"""

# ARGV: id, total, chunks, lane, webhook_url or '', keep, tracked (1 or 0). The input was staged before; the job
# is there when this returns.
OPEN = (
    _HELPERS
    + """
local id, total, chunks, lane, webhook, keep, tracked = unpack(ARGV)
redis.call('HSET', job(id), 'state', 'queued', 'total', total, 'succeeded', 0, 'failed', 0, 'cancelled', 0,
           'needs_review', 0, 'lane', lane, 'keep', keep, 'tracked', tracked, 'created_at', now())
if webhook ~= '' then redis.call('HSET', job(id), 'webhook_url', webhook) end
redis.call('PERSIST', key(id, 'input'))
for chunk = 0, tonumber(chunks) - 1 do redis.call('RPUSH', key(id, 'ready'), chunk) end
redis.call('RPUSH', 'catalog:lane:' .. lane, id)
return 1
"""
)

# ARGV: lane, seconds. Returns {id, chunk, input, attempt} of the next chunk in turn, or nothing.
LEASE = (
    _HELPERS
    + """
local lane, seconds = 'catalog:lane:' .. ARGV[1], tonumber(ARGV[2])
local id = redis.call('LMOVE', lane, lane, 'LEFT', 'RIGHT')
while id do
  local chunk = redis.call('LPOP', key(id, 'ready'))
  if redis.call('LLEN', key(id, 'ready')) == 0 then redis.call('LREM', lane, 0, id) end
  if chunk then
    redis.call('ZADD', 'catalog:leases', now() + seconds, id .. ' ' .. chunk)
    if redis.call('HGET', job(id), 'state') == 'queued' then
      redis.call('HSET', job(id), 'state', 'running', 'started_at', now())
    end
    local attempt = redis.call('HINCRBY', key(id, 'attempts'), chunk, 1)
    return {id, tonumber(chunk), redis.call('HGET', key(id, 'input'), chunk), attempt}
  end
  id = redis.call('LMOVE', lane, lane, 'LEFT', 'RIGHT')
end
return false
"""
)

# ARGV: seconds, then "id chunk" members. Only leases that are still held are renewed.
RENEW = (
    _HELPERS
    + """
for i = 2, #ARGV do redis.call('ZADD', 'catalog:leases', 'XX', now() + tonumber(ARGV[1]), ARGV[i]) end
return 1
"""
)

# ARGV: id, chunk, results, succeeded, failed, needs_review. The first commit of a chunk counts, whoever makes it; a
# later one, or one after the job's end, changes nothing and returns false. Returns the job's state.
COMMIT = (
    _HELPERS
    + """
local id, chunk = ARGV[1], ARGV[2]
redis.call('ZREM', 'catalog:leases', id .. ' ' .. chunk)
if redis.call('HGET', job(id), 'state') ~= 'running' then return false end
if redis.call('HSETNX', key(id, 'results'), chunk, ARGV[3]) == 0 then return false end
redis.call('LREM', key(id, 'ready'), 0, chunk)
redis.call('RPUSH', key(id, 'committed'), chunk)
local succeeded = redis.call('HINCRBY', job(id), 'succeeded', ARGV[4])
local failed = redis.call('HINCRBY', job(id), 'failed', ARGV[5])
redis.call('HINCRBY', job(id), 'needs_review', ARGV[6])
if succeeded + failed == tonumber(redis.call('HGET', job(id), 'total')) then
  local state = 'partial'
  if failed == 0 then state = 'completed' elseif succeeded == 0 then state = 'failed' end
  finish(id, state)
  return state
end
return 'running'
"""
)

# ARGV: "id chunk" members whose holder gives them back unfinished. They are next in their job's turn.
RELEASE = (
    _HELPERS
    + """
for i = 1, #ARGV do
  if redis.call('ZREM', 'catalog:leases', ARGV[i]) == 1 then
    local id, chunk = string.match(ARGV[i], '^(%S+) (%d+)$')
    if redis.call('HGET', job(id), 'state') == 'running' then
      local lane = 'catalog:lane:' .. redis.call('HGET', job(id), 'lane')
      redis.call('LPUSH', key(id, 'ready'), chunk)
      redis.call('LREM', lane, 0, id)
      redis.call('RPUSH', lane, id)
    end
  end
end
return 1
"""
)

# ARGV: id. Returns the job's state before, or nothing for a job that is not there.
CANCEL = (
    _HELPERS
    + """
local id = ARGV[1]
local state = redis.call('HGET', job(id), 'state')
if state == 'queued' or state == 'running' then
  local counts = redis.call('HMGET', job(id), 'total', 'succeeded', 'failed')
  redis.call('HSET', job(id), 'cancelled', counts[1] - counts[2] - counts[3])
  finish(id, 'cancelled')
end
return state
"""
)

# ARGV: outbox, seconds, limit. Takes messages that are due and puts each off by `seconds`, so that one whose taker dies
# comes up again. Returns the jobs.
TAKE = (
    _HELPERS
    + """
local outbox = 'catalog:outbox:' .. ARGV[1]
local due = redis.call('ZRANGE', outbox, '-inf', now(), 'BYSCORE', 'LIMIT', 0, tonumber(ARGV[3]))
for _, id in ipairs(due) do redis.call('ZADD', outbox, now() + tonumber(ARGV[2]), id) end
return due
"""
)
