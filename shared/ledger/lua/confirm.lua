-- ARGV: id. Counts a repeated request for the job; returns whether there is the job. The count itself matters to nobody,
-- but it is a write: WAITAOF on the same connection then covers everything that was written before.

if redis.call('EXISTS', job(ARGV[1])) == 0 then return 0 end
return redis.call('HINCRBY', job(ARGV[1]), 'replays', 1)
