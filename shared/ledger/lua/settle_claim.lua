-- ARGV: key, token, answer, fingerprint, seconds. Turns the claim into an answer if it is still this token's.

local claim = 'catalog:idempotency:' .. ARGV[1]
if redis.call('HGET', claim, 'token') ~= ARGV[2] then return 0 end
redis.call('HDEL', claim, 'token')
redis.call('HSET', claim, 'job', ARGV[3], 'fingerprint', ARGV[4])
redis.call('EXPIRE', claim, ARGV[5])
return 1
