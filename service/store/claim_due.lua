-- Take challenges that are due, for a lease: whoever dies with them leaves them due again.
-- KEYS: due
-- ARGV: now (ms), lease (ms), how many at most
-- Returns the ids

local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, id in ipairs(ids) do
  redis.call('ZADD', KEYS[1], 'XX', tonumber(ARGV[1]) + tonumber(ARGV[2]), id)
end
return ids
