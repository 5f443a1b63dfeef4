-- ARGV: tenant, jobs to look at, jobs and open items to return at most, perhaps a job to be returned first, in any case.
-- Returns what waits for a person, as it is now: the tenant's reserved items, each "job index", with ',' between them; then
-- of each job with open items its id, how many of its items need a look, and the positions of those that are decided,
-- likewise. Of the newest jobs the oldest come first, because their results expire first.

local tenant, most, most_jobs, most_items, first = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local time, items = now(), 0
local found = {table.concat(redis.call('ZRANGE', reserved(tenant), '(' .. time, '+inf', 'BYSCORE'), ',')}

local function look_at(id, in_any_case)
  local facts = redis.call('HMGET', job(id), 'needs_review', 'reviewed', 'results_expire_at', 'tenant')
  local needs, reviewed, expires, whose = unpack(facts)
  local open = tonumber(needs or 0) - tonumber(reviewed or 0)
  if whose ~= tenant or (open <= 0 and not in_any_case) or (expires and tonumber(expires) <= time) then return end
  found[#found + 1] = id
  found[#found + 1] = needs
  found[#found + 1] = reviewed and table.concat(redis.call('HKEYS', part(id, 'decided')), ',') or ''
  items = items + open
end

if first then look_at(first, true) end
local jobs = redis.call('ZREVRANGE', 'catalog:jobs:' .. tenant, 0, most - 1)
for i = #jobs, 1, -1 do
  if items >= most_items or #found > 3 * most_jobs then break end
  if jobs[i] ~= first then look_at(jobs[i]) end
end
return found
