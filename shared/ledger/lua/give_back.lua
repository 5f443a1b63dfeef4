-- ARGV: tenant, person, then items as "job index"; without any, all that the person holds. Gives the cards of these items
-- back that are reserved for the person. Returns how many.

local tenant, person = ARGV[1], ARGV[2]
let_reservations_go(tenant)
local asked, given = {unpack(ARGV, 3)}, 0
if #asked == 0 then asked = redis.call('HKEYS', cards(tenant)) end
for _, member in ipairs(asked) do
  local card = redis.call('HGET', cards(tenant), member)
  if card and string.match(card, '^[^\n]+') == person then
    give_back(tenant, member)
    given = given + 1
  end
end
return given
