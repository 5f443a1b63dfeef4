-- ARGV: lane, jobs to look at. Returns the number of chunks of these jobs that wait for a worker. Jobs that an older
-- release put into its list of turns get their turn here, so that work goes on after an upgrade.

local lane, look_at, chunks = ARGV[1], tonumber(ARGV[2]), 0
local older = redis.call('LPOP', 'catalog:lane:' .. lane)
while older do
  if still_live(older) then give_turn(older) end
  older = redis.call('LPOP', 'catalog:lane:' .. lane)
end
for _, tenant in ipairs(redis.call('ZRANGE', turns(lane), 0, -1)) do
  for _, id in ipairs(redis.call('ZRANGE', turns(lane, tenant), 0, look_at - 1)) do
    chunks, look_at = chunks + redis.call('LLEN', part(id, 'ready')), look_at - 1
  end
  if look_at == 0 then break end
end
return chunks
