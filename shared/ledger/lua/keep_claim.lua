-- ARGV: key, token, seconds. Renews the claim if it is still this token's; 0 seconds give it up.

local claim = 'catalog:idempotency:' .. ARGV[1]
if redis.call('HGET', claim, 'token') ~= ARGV[2] then return 0 end
if ARGV[3] == '0' then redis.call('DEL', claim) else redis.call('EXPIRE', claim, ARGV[3]) end
return 1
