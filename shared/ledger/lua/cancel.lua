-- ARGV: id. Ends the job, and has its items freed; one that has ended or does not exist is not changed.

local id = ARGV[1]
if still_live(id) then
  finish(id, 'cancelled')
  redis.call('SADD', 'catalog:to_free', id)
end
return 1
