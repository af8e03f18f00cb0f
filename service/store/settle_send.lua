-- After a send: note its verification, or give the count back.
-- KEYS: number (hash: n sends, v verification)
-- ARGV: verification ('': the send failed), life of a verification (ms)

if ARGV[1] == '' then
  if redis.call('HINCRBY', KEYS[1], 'n', -1) <= 0 then redis.call('DEL', KEYS[1]) end
  return 0
end
local known = redis.call('HGET', KEYS[1], 'v')
if known ~= ARGV[1] then
  -- Another verification than the one counted so far: this was its first send.
  redis.call('HSET', KEYS[1], 'v', ARGV[1])
  if known then redis.call('HSET', KEYS[1], 'n', 1) end
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 1
