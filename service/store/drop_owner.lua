-- Forget who had a number or address, unless it was noted anew since.
-- KEYS: owners
-- ARGV: the user's hash, the version that was noted when the user was seen to have it

if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end
return 1
