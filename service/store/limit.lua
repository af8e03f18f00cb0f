-- Take one of a rate.
-- KEYS: rate
-- ARGV: now (ms), limit, window (ms)
-- Returns as `take` does

return take(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]))
