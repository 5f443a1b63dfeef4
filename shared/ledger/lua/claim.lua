-- ARGV: key, token, seconds. Returns {'done', job, fingerprint} for a key that has an answer, {'busy', seconds} while
-- another request has claimed it, else {'claimed'}: the key is this request's for these seconds.

local claim = 'catalog:idempotency:' .. ARGV[1]
local id, fingerprint, token = unpack(redis.call('HMGET', claim, 'job', 'fingerprint', 'token'))
if id then return {'done', id, fingerprint} end
if token and token ~= ARGV[2] then return {'busy', redis.call('TTL', claim)} end
redis.call('HSET', claim, 'token', ARGV[2])
redis.call('EXPIRE', claim, ARGV[3])
return {'claimed'}
