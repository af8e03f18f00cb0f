-- After a send that went out: note its verification.
-- KEYS: number (hash: n sends, v verification, c:ID per challenge that waits for it)
-- ARGV: verification, life of a verification (ms), challenge

local known = redis.call('HGET', KEYS[1], 'v')
if known ~= ARGV[1] then
  if known then
    -- Another verification than the one counted so far: this was its first send.
    redis.call('DEL', KEYS[1])
    redis.call('HSET', KEYS[1], 'n', 1)
  end
  redis.call('HSET', KEYS[1], 'v', ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
redis.call('HSET', KEYS[1], 'c:' .. ARGV[3], 1)
return 1
