-- Let a number or address lead to another challenge, if nobody was faster.
-- KEYS: pointer
-- ARGV: what it is expected to hold ('': nothing), what it shall hold ('': nothing), life (ms)
-- Returns whether it does now

if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1
