-- What was taken of a rate was not used.
-- KEYS: rate
-- ARGV: now (ms), limit, window (ms)

give(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]))
return 0
