-- After a send: note its verification, or give the count back.
-- KEYS: number (hash: n sends, v verification, c:ID per challenge that waits for it)
-- ARGV: verification ('': the send failed), life of a verification (ms), challenge

if ARGV[1] == '' then
  if redis.call('HINCRBY', KEYS[1], 'n', -1) <= 0 then redis.call('DEL', KEYS[1]) end
  return 0
end
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
