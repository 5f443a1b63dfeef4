-- ARGV: id. Removes what was staged, unless the job has been opened.

if redis.call('EXISTS', job(ARGV[1])) == 1 then return 0 end
return redis.call('DEL', part(ARGV[1], 'input'), part(ARGV[1], 'results'), part(ARGV[1], 'training'))
