-- Save what the deciding worker knows, if it still decides.
-- KEYS: leader, knowledge, states (hash: route -> state)
-- ARGV: token, lease (ms), knowledge, number of states, then of each: route, state
-- Returns 1, or 0 when another worker decides

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], ARGV[3])
for i = 5, 4 + 2 * tonumber(ARGV[4]), 2 do
  redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1])
end
return 1
