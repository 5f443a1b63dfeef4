-- ARGV: id. Ends the job; one that has ended or does not exist is not changed.

if still_live(ARGV[1]) then finish(ARGV[1], 'cancelled') end
return 1
