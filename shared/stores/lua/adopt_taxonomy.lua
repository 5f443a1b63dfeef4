-- KEYS: version, latest. ARGV: the number of the latest file, the file, seconds for which "none" is believed.
-- Copies the latest file into Redis unless it is there already, or a later one is.
local held, number = tonumber(redis.call('GET', KEYS[1]) or '-1'), tonumber(ARGV[1])
if number == 0 then
  if held < 1 then redis.call('SET', KEYS[1], 0, 'EX', ARGV[3]) end
elseif held < number then
  redis.call('SET', KEYS[1], number)
  redis.call('SET', KEYS[2], ARGV[2])
end
