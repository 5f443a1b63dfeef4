-- ARGV: lane, tenant, items, most items that may wait, and most of this tenant if it has a quota. Returns nothing, or why
-- so many more items cannot wait: {whose limit, lane, items that wait}.

return no_room(ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])) or false
