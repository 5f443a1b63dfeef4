-- ARGV: share, key, key, … Returns a value or nothing for each.

local found, aged = {}, {}
for i = 2, #ARGV do
  local value = redis.call('HGET', CURRENT, ARGV[i])
  if not value then
    value = redis.call('HGET', PREVIOUS, ARGV[i])
    if value then aged[ARGV[i]] = value end
  end
  found[i - 1] = value
end
-- Only now: it may drop the previous generation.
for key, value in pairs(aged) do keep(key, value) end
return found
