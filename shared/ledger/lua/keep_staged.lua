-- ARGV: id, seconds. What was staged for a job that is not open yet expires in these seconds, not earlier.

if redis.call('EXISTS', job(ARGV[1])) == 1 then return 0 end
for _, name in ipairs({'input', 'results', 'training'}) do redis.call('EXPIRE', part(ARGV[1], name), ARGV[2]) end
return 1
