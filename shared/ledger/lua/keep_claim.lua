-- ARGV: key, token, seconds; 0 gives the claim up. Only a claim that is still this token's changes.

local claim = 'catalog:idempotency:' .. ARGV[1]
if redis.call('HGET', claim, 'token') ~= ARGV[2] then return 0 end
if ARGV[3] == '0' then redis.call('DEL', claim) else redis.call('EXPIRE', claim, ARGV[3]) end
return 1
