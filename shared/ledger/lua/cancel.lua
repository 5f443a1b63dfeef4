-- ARGV: id. A job that has ended, or is not there, is left as it is.

if still_live(ARGV[1]) then finish(ARGV[1], 'cancelled') end
return 1
