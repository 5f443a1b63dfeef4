-- ARGV: id, seconds, tenant. What was staged for a job that is not open yet expires in these seconds, not earlier.

local id, seconds, tenant = unpack(ARGV)
if redis.call('EXISTS', job(id)) == 1 then return 0 end
for _, name in ipairs({'input', 'results', 'sent', 'training'}) do redis.call('EXPIRE', part(id, name), seconds) end
if holds(tenant, id) then hold_until(tenant, id, now() + seconds) end
return 1
