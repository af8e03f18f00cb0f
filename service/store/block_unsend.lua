-- A send to a block of numbers that was counted did not go out.
-- KEYS: sends, rate (as in block_send.lua)
-- ARGV: now (ms), when it was counted (ms), limit and window (ms) of the rate (0: none)

redis.call('LREM', KEYS[1], -1, ARGV[2])
local limit = tonumber(ARGV[3])
if limit > 0 then give(KEYS[2], tonumber(ARGV[1]), limit, tonumber(ARGV[4])) end
return 0
