-- Count a send to a block of numbers, unless toll fraud is suspected there (service/domain/toll_fraud.py).
-- KEYS: sends (list: when each unanswered one was made, oldest first), state (hash: u suspected until,
--   l how often it was), rate, outbox
-- ARGV: now (ms), whether the route is healthy (1 or 0), sends after which it is suspected, ms until one is
--   mature, ms for which one counts, ms suspected at first, at most, limit and window (ms) of the rate (0: none),
--   the event's data
-- Returns {'ok'}, {'suspected', ms} or {'fast', ms}

local MOST = 100 -- sends that are remembered
local DAY = 86400000
local now = tonumber(ARGV[1])
local suspected_until = tonumber(redis.call('HGET', KEYS[2], 'u') or '0')
if now < suspected_until then return { 'suspected', suspected_until - now } end

local oldest = redis.call('LINDEX', KEYS[1], 0)
while oldest and tonumber(oldest) < now - tonumber(ARGV[5]) do
  redis.call('LPOP', KEYS[1])
  oldest = redis.call('LINDEX', KEYS[1], 0)
end
local decisive = redis.call('LINDEX', KEYS[1], tonumber(ARGV[3]) - 1)
if ARGV[2] == '1' and decisive and tonumber(decisive) <= now - tonumber(ARGV[4]) then
  local times = redis.call('HINCRBY', KEYS[2], 'l', 1)
  local life = math.min(tonumber(ARGV[6]) * 2 ^ (times - 1), tonumber(ARGV[7]))
  redis.call('HSET', KEYS[2], 'u', string.format('%d', now + life))
  redis.call('PEXPIRE', KEYS[2], life + DAY)
  redis.call('DEL', KEYS[1])
  emit(KEYS[4], 'fraud.suspected', now, ARGV[10])
  return { 'suspected', life }
end

local limit = tonumber(ARGV[8])
if limit > 0 then
  local taken = take(KEYS[3], now, limit, tonumber(ARGV[9]))
  if taken[1] == 0 then return { 'fast', taken[3] } end
end
if ARGV[2] == '1' and redis.call('LLEN', KEYS[1]) < MOST then
  redis.call('RPUSH', KEYS[1], ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
end
return { 'ok' }
