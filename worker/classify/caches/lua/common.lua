-- Two generations, each of up to ARGV[1] entries: when the current one is full it becomes the previous one, and what was
-- that is dropped. An entry that is asked for again moves to the current one, so those that go are the least used ones.

local SHARE = tonumber(ARGV[1])
local CURRENT, PREVIOUS = 'catalog:cache:predictions:current', 'catalog:cache:predictions:previous'

local function keep(key, value)
  if redis.call('HLEN', CURRENT) >= SHARE then
    redis.call('UNLINK', PREVIOUS)
    redis.call('RENAME', CURRENT, PREVIOUS)
  end
  redis.call('HSET', CURRENT, key, value)
end
