-- Put a dead letter back into its lane.
-- KEYS: dead (stream), how many wait (hash), lanes, lane (list)
-- ARGV: its id in the stream, receiver, lane, message, now (ms), how many may wait
-- Returns 1: it is back, 0: it was not there any more, -1: too many wait

if tonumber(redis.call('HGET', KEYS[2], ARGV[2]) or '0') >= tonumber(ARGV[6]) then return -1 end
if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('RPUSH', KEYS[4], ARGV[4])
redis.call('HINCRBY', KEYS[2], ARGV[2], 1)
redis.call('ZADD', KEYS[3], 'NX', ARGV[5], ARGV[3])
return 1
