-- ARGV: tenant, seconds for which what is written here lasts; then of each decision: place, 'audited', 'reviewed' or
-- 'undone', and its row, or the place that is undone. Keeps what decisions say about the model's answers. May be told of
-- a decision again, and in any order: what was undone stays undone.

local tenant, lasts = ARGV[1], tonumber(ARGV[2])
local MOST = {audited = 20000, reviewed = 5000, undone = 10000}
local function list(name) return 'catalog:promise:' .. name .. ':' .. tenant end
local function behind(place) return '(' .. place .. '!' end

for i = 3, #ARGV, 3 do
  local place, name, what = unpack(ARGV, i, i + 2)
  if name == 'undone' then
    redis.call('ZADD', list(name), 0, what)
    for _, kept in ipairs({'audited', 'reviewed'}) do
      redis.call('ZREMRANGEBYLEX', list(kept), '[' .. what .. ' ', behind(what))
    end
  elseif not redis.call('ZSCORE', list('undone'), place) then
    redis.call('ZREMRANGEBYLEX', list(name), '[' .. place .. ' ', behind(place))
    redis.call('ZADD', list(name), 0, what)
    redis.call('ZADD', 'catalog:promise:tenants', now(), tenant)
  end
end
for name, most in pairs(MOST) do
  redis.call('ZREMRANGEBYRANK', list(name), 0, -most - 1)
  redis.call('EXPIRE', list(name), lasts)
end
redis.call('ZREMRANGEBYSCORE', 'catalog:promise:tenants', '-inf', now() - lasts)
return 1
