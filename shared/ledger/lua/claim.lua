-- ARGV: key, token, seconds. Returns {'done', job, fingerprint} for a key that has an answer, {'busy', seconds} while another
-- request has claimed it, else {'claimed'}: it is ours for so long.

local claim = 'catalog:idempotency:' .. ARGV[1]
local id, fingerprint = unpack(redis.call('HMGET', claim, 'job', 'fingerprint'))
if id then return {'done', id, fingerprint} end
if redis.call('HSETNX', claim, 'token', ARGV[2]) == 0 then return {'busy', redis.call('TTL', claim)} end
redis.call('EXPIRE', claim, ARGV[3])
return {'claimed'}
