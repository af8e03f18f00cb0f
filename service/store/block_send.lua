-- Count a message to a block of numbers before it is sent (service/domain/toll_fraud.py).
-- KEYS: unanswered (sorted set: numbers by when the first message to them was sent that nobody answered),
--   answered (likewise, by when they last did), state (hash: u suspected until), rate
-- ARGV: number, now (ms), numbers after which a block may be suspected, ms until a message is mature, ms for which one
--   counts, share that answers at least (one in so many), limit and window (ms) of the rate (0: none)
-- Returns {'ok', 1 when the number was counted anew, else 0, 1 when it looks like toll fraud, else 0},
--   {'suspected', ms} or {'fast', ms}

local MOST = 1000 -- numbers that are remembered
local now, oldest = tonumber(ARGV[2]), '(' .. string.format('%d', tonumber(ARGV[2]) - tonumber(ARGV[5]))
local suspected_until = tonumber(redis.call('HGET', KEYS[3], 'u') or '0')
if now < suspected_until then return { 'suspected', suspected_until - now } end

local limit = tonumber(ARGV[7])
if limit > 0 then
  local taken = take(KEYS[4], now, limit, tonumber(ARGV[8]))
  if taken[1] == 0 then return { 'fast', taken[3] } end
end

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', oldest)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', oldest)
local mature = redis.call('ZCOUNT', KEYS[1], '-inf', now - tonumber(ARGV[4]))
local answered = redis.call('ZCARD', KEYS[2])
local fraud = mature >= tonumber(ARGV[3]) and answered * tonumber(ARGV[6]) < mature + answered
local counted = 0
if redis.call('ZCARD', KEYS[1]) < MOST then
  counted = redis.call('ZADD', KEYS[1], 'NX', ARGV[2], ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
end
return { 'ok', counted, fraud and 1 or 0 }
