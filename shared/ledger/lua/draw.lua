-- ARGV: tenant, bundle, seconds to keep, least number of audits per week and branch, share of the accepted that may be
-- audited besides those drawn, number of accepted answers, number of bins; bin and answers of each; then of each branch:
-- code, number of drawn answers, number of other accepted ones. Counts all that, and returns for each branch how many of
-- the others are to be audited, too.

local tenant, bundle, keep = ARGV[1], ARGV[2], tonumber(ARGV[3])
local least, share, accepted, bins = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])
local day = math.floor(now() / 86400)
local week = math.floor((day + 3) / 7)   -- the first day of 1970 was a Thursday
local answers = 'catalog:promise:answers:' .. tenant .. ':' .. bundle .. ':' .. day
local drawn = 'catalog:promise:drawn:' .. tenant .. ':' .. week

for i = 8, 7 + 2 * bins, 2 do redis.call('HINCRBY', answers, ARGV[i], ARGV[i + 1]) end
redis.call('EXPIRE', answers, keep)
local room = math.floor(redis.call('HINCRBY', drawn, 'accepted', accepted) * share)
room = room - tonumber(redis.call('HGET', drawn, 'floor') or 0)
local taken = {}
for i = 8 + 2 * bins, #ARGV, 3 do
  local branch, has, others = 'of ' .. ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local audited = redis.call('HINCRBY', drawn, branch, has)
  local more = math.max(0, math.min(least - audited, others, room))
  redis.call('HINCRBY', drawn, branch, more)
  redis.call('HINCRBY', drawn, 'floor', more)
  room = room - more
  taken[#taken + 1] = more
end
redis.call('EXPIRE', drawn, keep)
return taken
