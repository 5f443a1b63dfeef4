-- ARGV: share. Drops each generation that is larger: the bound was lowered, or the cache switched off.

local dropped = 0
for _, generation in ipairs({CURRENT, PREVIOUS}) do
  local size = redis.call('HLEN', generation)
  if size > SHARE then
    redis.call('UNLINK', generation)
    dropped = dropped + size
  end
end
return dropped
