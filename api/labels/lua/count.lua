-- KEYS: files (hash: name → its conflicts), items (hash: identity → its codes, each behind a line break), counts (hash).
-- ARGV: a file's name, then identity, code and kind of each of its labels. Counts a file once; returns the number of its
-- labels that contradict an earlier one.
local files, items, counts, name = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local counted = redis.call('HGET', files, name)
if counted then return tonumber(counted) end
local conflicts = 0
for at = 2, #ARGV, 3 do
  local identity, code, kind = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local given = redis.call('HGET', items, identity)
  if not given then
    redis.call('HSET', items, identity, code)
    redis.call('HINCRBY', counts, 'items', 1)
  else
    local codes, same = 0, false
    for other in string.gmatch(given, '[^\n]+') do
      codes, same = codes + 1, same or other == code
    end
    if not same then redis.call('HSET', items, identity, given .. '\n' .. code) end
    if codes > 1 or not same then conflicts = conflicts + 1 end
    if codes == 1 and not same then redis.call('HINCRBY', counts, 'conflicts', 1) end
  end
  redis.call('HINCRBY', counts, 'labels', 1)
  redis.call('HINCRBY', counts, 'code:' .. code, 1)
  if kind ~= '' then redis.call('HINCRBY', counts, kind, 1) end
end
redis.call('HSET', files, name, conflicts)
if name > (redis.call('HGET', counts, 'newest') or '') then redis.call('HSET', counts, 'newest', name) end
return conflicts
