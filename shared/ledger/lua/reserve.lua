-- ARGV: tenant, person, seconds, items that the tenant may have reserved, cards wanted; then cards, each as its items with
-- a line break between them, each item as "job index", the card's own first. Reserves the first cards of which every item
-- is open and free. Returns until when, and the positions of these cards among those given, from 0.

local tenant, person, seconds, most, wanted = unpack(ARGV, 1, 5)
local ends = string.format('%.3f', now() + tonumber(seconds))
local taken = {ends}

let_reservations_go(tenant)

local function is_free(member)
  local id, index = string.match(member, '^(%S+) (%d+)$')
  return not redis.call('ZSCORE', reserved(tenant), member) and redis.call('HEXISTS', part(id, 'decided'), index) == 0
end

local function members_if_free(card)
  local members = {}
  for member in string.gmatch(card, '[^\n]+') do
    if not is_free(member) then return nil end
    members[#members + 1] = member
  end
  return members
end

for i = 6, #ARGV do
  if #taken > tonumber(wanted) then break end
  local members = members_if_free(ARGV[i])
  if members and redis.call('ZCARD', reserved(tenant)) + #members <= tonumber(most) then
    for _, member in ipairs(members) do redis.call('ZADD', reserved(tenant), ends, member) end
    redis.call('HSET', cards(tenant), members[1], person .. '\n' .. ARGV[i])
    taken[#taken + 1] = i - 6
  end
end
for _, key in ipairs({reserved(tenant), cards(tenant)}) do
  if #taken > 1 and redis.call('TTL', key) < tonumber(seconds) then redis.call('EXPIRE', key, seconds) end
end
return taken
