-- ARGV: limit. Makes chunks whose leases have run out ready again; returns their number.

local lapsed = redis.call('ZRANGE', 'catalog:leases', '-inf', now(), 'BYSCORE', 'LIMIT', 0, tonumber(ARGV[1]))
local released = 0
for _, member in ipairs(lapsed) do released = released + release(member, true) end
return released
