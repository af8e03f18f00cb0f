-- A message to a block of numbers that was counted did not go out.
-- KEYS: unanswered, rate (as in block_send.lua)
-- ARGV: number ('': it was not counted anew), now (ms), limit and window (ms) of the rate (0: none)

if ARGV[1] ~= '' then redis.call('ZREM', KEYS[1], ARGV[1]) end
local limit = tonumber(ARGV[3])
if limit > 0 then give(KEYS[2], tonumber(ARGV[2]), limit, tonumber(ARGV[4])) end
return 0
