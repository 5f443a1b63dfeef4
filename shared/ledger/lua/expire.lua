-- ARGV: limit. Ends jobs whose deadlines have passed; returns their number.

local due = redis.call('ZRANGE', 'catalog:deadlines', '-inf', now(), 'BYSCORE', 'LIMIT', 0, tonumber(ARGV[1]))
for _, id in ipairs(due) do
  if not still_live(id) then redis.call('ZREM', 'catalog:deadlines', id) end
end
return #due
