-- ARGV: share, key, value, key, value, …

for i = 2, #ARGV, 2 do keep(ARGV[i], ARGV[i + 1]) end
return 1
