-- Save what the deciding worker knows, and what follows from it for others, if it still decides.
-- KEYS: leader, knowledge, then hashes that are written to
-- ARGV: token, lease (ms), knowledge, then of each write: its hash's place in KEYS, life of that hash (ms,
--   0: for good), field, value
-- Returns 1, or 0 when another worker decides

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], ARGV[3])
for i = 4, #ARGV, 4 do
  local hash = KEYS[tonumber(ARGV[i])]
  redis.call('HSET', hash, ARGV[i + 2], ARGV[i + 3])
  if ARGV[i + 1] ~= '0' then redis.call('PEXPIRE', hash, ARGV[i + 1]) end
end
return 1
