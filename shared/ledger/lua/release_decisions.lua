-- ARGV: tenant, token, then moments of files that were never written. Gives the turn back, if it is still this request's.

local turn = 'catalog:decisions:turn:' .. ARGV[1]
for i = 3, #ARGV do redis.call('HDEL', 'catalog:decisions:unapplied:' .. ARGV[1], ARGV[i]) end
if redis.call('GET', turn) == ARGV[2] then redis.call('DEL', turn) end
return 1
