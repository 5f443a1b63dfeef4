-- ARGV: id, endpoint. Makes the job's webhook due now, restarts its schedule, and enables the endpoint again. Returns
-- 'requested', 'nothing' for a job that has not ended or has no webhook, or 'gone'.

local id, endpoint = ARGV[1], 'catalog:endpoint:' .. ARGV[2]
local state, url = unpack(redis.call('HMGET', job(id), 'state', 'webhook_url'))
if not state then return 'gone' end
if live(state) or not url then return 'nothing' end

redis.call('HDEL', endpoint, 'disabled_at')
if redis.call('HEXISTS', endpoint, 'open_until') == 1 then redis.call('HSET', endpoint, 'open_until', now()) end
redis.call('HINCRBY', job(id), 'webhook_round', 1)
redis.call('HSET', job(id), 'webhook_state', 'waiting', 'webhook_tries', 0)
redis.call('HDEL', job(id), 'webhook_due')
redis.call('ZADD', 'catalog:outbox:webhook', now(), id)
return 'requested'
