-- ARGV: the format that this release writes, the release's name
-- Marks a state without a mark, and one of an earlier format. Returns the format, and the release that marked it.
local key = 'catalog:format'
local stored = redis.call('HGET', key, 'format')
local number = tonumber(stored or '0')
if not stored or (number and number > 0 and number < tonumber(ARGV[1])) then
  redis.call('HSET', key, 'format', ARGV[1], 'release', ARGV[2])
end
return {redis.call('HGET', key, 'format'), redis.call('HGET', key, 'release') or ''}
