-- ARGV: tenant, a file's name and moment, token of the turn or '', seconds for which what is written here lasts, '1' if no
-- more of the file follows; then of each decision: job, index, 'decide', 'copy', 'skip' or 'undo', place, person, what is
-- kept of it or the place that is undone, what is told of it, and the item's identity or ''. Applies a file's decisions; what
-- is there already, or a whole file that was applied before, changes nothing.
--
-- An item's decisions are kept as lines in the order of their places; the last one is in force. A line has a place, ' ',
-- '1' if the item needed a review, ' ', and the rest. So are, for longer than jobs, those of each identity.

local tenant, file, moment, token, lasts, complete = unpack(ARGV, 1, 6)
local PLACE = 23   -- characters of a place
local DEPTH = 50   -- decisions that are kept of an item, and that a person can undo
local IN_MIND = 2 * 86400 -- seconds for which it is kept in mind that a file was applied
local FEED = 50000 -- decisions of a tenant that can be read in the order of arrival
local REMEMBERED = 1000000 -- items of a tenant whose decisions are remembered, and as many kinds of near copies
local SAME = 32    -- characters of an identity that tell the same item; the rest tells its near copies
local NO_TEXT = '0000000000000000'
local memory, near = 'catalog:memory:' .. tenant, 'catalog:near:' .. tenant
local feed = 'catalog:decisions:of:' .. tenant
local function by(person) return 'catalog:decisions:by:' .. tenant .. ':' .. person end

-- Seconds for which decisions of the job's items are kept; nothing if its results are gone. A process of the release
-- before that ends the job does not know of them, so they expire by themselves.
local function kept_for(id)
  local state, deadline, keep = unpack(redis.call('HMGET', job(id), 'state', 'deadline', 'keep'))
  if not state then return nil end
  local seconds = redis.call('TTL', part(id, 'order'))
  if live(state) then seconds = math.ceil(math.max(tonumber(deadline) - now(), 0) + tonumber(keep)) + READING end
  return seconds > 0 and seconds or nil
end

local function lines(kept)
  local found = {}
  for line in string.gmatch(kept, '[^\n]+') do found[#found + 1] = line end
  return found
end

local function with(kept, line)
  local found, at = lines(kept), 1
  local place = string.sub(line, 1, PLACE)
  while found[at] and string.sub(found[at], 1, PLACE) < place do at = at + 1 end
  if found[at] and string.sub(found[at], 1, PLACE) == place then return kept end
  table.insert(found, at, line)
  if #found > DEPTH then table.remove(found, 1) end
  return table.concat(found, '\n')
end

local function without(kept, place)
  local left = {}
  for _, line in ipairs(lines(kept)) do
    if string.sub(line, 1, PLACE) ~= place then left[#left + 1] = line end
  end
  return table.concat(left, '\n')
end

local function change(id, index, changed, argument)
  local seconds = kept_for(id)
  if not seconds then return end
  local before = redis.call('HGET', part(id, 'decided'), index) or ''
  local after = changed(before, argument)
  if after == before then return end
  if after == '' then redis.call('HDEL', part(id, 'decided'), index) else redis.call('HSET', part(id, 'decided'), index, after) end
  redis.call('EXPIRE', part(id, 'decided'), seconds)
  if holds(tenant, id) then hold(tenant, id, #after - #before) end
  local any = after ~= '' and after or before
  local more = (after == '' and 0 or 1) - (before == '' and 0 or 1)
  if string.sub(any, PLACE + 2, PLACE + 2) == '1' then redis.call('HINCRBY', job(id), 'reviewed', more) end
  redis.call('HINCRBY', job(id), 'decisions', 1)
end

local function remember_in(key, field, changed, argument)
  local before = redis.call('HGET', key, field)
  if not before and redis.call('HLEN', key) >= REMEMBERED then return end
  local after = changed(before or '', argument)
  if after == '' then redis.call('HDEL', key, field) else redis.call('HSET', key, field, after) end
end

local function remember(identity, changed, argument)
  if identity == '' then return end
  remember_in(memory, string.sub(identity, 1, SAME), changed, argument)
  local copies = string.sub(identity, SAME + 1)
  if copies ~= NO_TEXT then remember_in(near, copies, changed, argument) end
end

-- What is told begins with a cursor, which is its place. A decision that arrives after a later one, because its process
-- was stopped for longer than its turn, is put at the end: nobody who has read the later one may miss it.
local function tell_of(place, told)
  if redis.call('ZRANGEBYLEX', feed, '[' .. place .. ' ', '(' .. place .. '!', 'LIMIT', 0, 1)[1] then return end
  local last, cursor = redis.call('ZRANGE', feed, -1, -1)[1], place
  if last and place < last then
    local number = tonumber(string.sub(last, 18, PLACE)) + 1
    cursor = string.format('%s-%06d', string.sub(last, 1, 16), number)
  end
  redis.call('ZADD', feed, 0, cursor .. ' ' .. told)
  if redis.call('ZCARD', feed) > FEED then
    local oldest = redis.call('ZRANGE', feed, 0, 0)[1]
    redis.call('SET', 'catalog:decisions:gone:' .. tenant, string.sub(oldest, 1, PLACE), 'EX', lasts)
    redis.call('ZREM', feed, oldest)
  end
end

if not redis.call('ZSCORE', 'catalog:decisions:applied', file) then
  for i = 7, #ARGV, 8 do
    local id, index, action, place, person, what, told, identity = unpack(ARGV, i, i + 7)
    if action == 'undo' then
      change(id, index, without, what)
      remember(identity, without, what)
      for _, member in ipairs(redis.call('ZRANGEBYLEX', by(person), '[' .. what, '(' .. what .. '\255')) do
        redis.call('ZREM', by(person), member)
      end
    else
      if action ~= 'skip' then
        change(id, index, with, what)
        remember(identity, with, what)
      end
      if action ~= 'copy' then
        redis.call('ZADD', by(person), 0, place .. ' ' .. id .. ' ' .. index .. ' ' .. file)
        redis.call('ZREMRANGEBYRANK', by(person), 0, -DEPTH - 1)
        redis.call('EXPIRE', by(person), lasts)
      end
      if token ~= '' then give_back(tenant, id .. ' ' .. index) end -- not when an old file is applied again
    end
    tell_of(place, told)
  end
  redis.call('EXPIRE', feed, lasts)
  if complete == '1' then redis.call('HSET', 'catalog:decisions:latest', tenant, file) end
end
if complete == '1' then
  redis.call('ZADD', 'catalog:decisions:applied', moment, file)
  redis.call('ZREMRANGEBYSCORE', 'catalog:decisions:applied', '-inf', tonumber(moment) - IN_MIND * 1e6)
  redis.call('EXPIRE', 'catalog:decisions:applied', lasts)
  redis.call('HDEL', 'catalog:decisions:unapplied:' .. tenant, moment)
  local turn = 'catalog:decisions:turn:' .. tenant
  if token ~= '' and redis.call('GET', turn) == token then redis.call('DEL', turn) end
end
return 1
