-- Count a send to a phone number before it is made: Twilio allows 5 per verification (60203), and we so many
-- in a while.
-- KEYS: number (hash: n sends, v verification, c:ID per challenge, o:ADDRESS sends), undeliverable, carrier, trusted,
--   rate of the number, rate of the number from one network address
-- ARGV: sends allowed, life of a verification (ms), now (ms), then limit and window (ms) of both rates (0: none),
--   network address ('': unknown), sends allowed to one
-- Returns {'ok', carrier or '', trusted (1 or 0)}, {'undeliverable', why}, {'exhausted'},
--   {'crowded', ms}: that address had its share, or {'limited', what `take` returns}

local why = redis.call('GET', KEYS[2])
if why then return { 'undeliverable', why } end
if tonumber(redis.call('HGET', KEYS[1], 'n') or '0') >= tonumber(ARGV[1]) then return { 'exhausted' } end
local origin = ARGV[8] ~= '' and 'o:' .. ARGV[8]
if origin and tonumber(redis.call('HGET', KEYS[1], origin) or '0') >= tonumber(ARGV[9]) then
  return { 'crowded', redis.call('PTTL', KEYS[1]) }
end
local now, limit, part = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[6])
if part > 0 then
  local taken = take(KEYS[6], now, part, tonumber(ARGV[7]))
  if taken[1] == 0 then return { 'limited', taken } end
end
if limit > 0 then
  local taken = take(KEYS[5], now, limit, tonumber(ARGV[5]))
  if taken[1] == 0 then
    if part > 0 then give(KEYS[6], now, part, tonumber(ARGV[7])) end
    return { 'limited', taken }
  end
end
if redis.call('HINCRBY', KEYS[1], 'n', 1) == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
if origin then redis.call('HINCRBY', KEYS[1], origin, 1) end
return { 'ok', redis.call('GET', KEYS[3]) or '', redis.call('EXISTS', KEYS[4]) }
