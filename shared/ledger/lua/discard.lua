-- ARGV: id, tenant. Removes what was staged, unless the job has been opened.

local id, tenant = ARGV[1], ARGV[2]
if redis.call('EXISTS', job(id)) == 1 then return 0 end
let_go(tenant, id)
return redis.call('DEL', part(id, 'input'), part(id, 'results'), part(id, 'sent'), part(id, 'training'))
