-- Note what came of telling the first message of a lane, and go on to the next one.
-- KEYS: lanes, lane (list), how many wait (hash), state, dead (stream)
-- ARGV: 'delivered', 'skipped', 'again' (later), 'retry' or 'dead' (both: it failed), receiver, lane,
--   the message as it was claimed, now (ms), lease (ms), when it is due (ms; again, retry),
--   the message as it is from now on (retry: with its tries; dead: to be kept), last status,
--   failures in a row that pause, first and longest pause (ms), dead ones kept, for how long (ms)
-- Returns the next message, nil when there is none or it is not due, or somebody else settled this one

local what, receiver, lane, message = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local now, lease = tonumber(ARGV[5]), tonumber(ARGV[6])
if redis.call('LINDEX', KEYS[2], 0) ~= message then return nil end

if what == 'delivered' then
  redis.call('HDEL', KEYS[4], 'failures', 'failing_since', 'pause', 'paused_until', 'probe')
  redis.call('HSET', KEYS[4], 'last_status', ARGV[9], 'last_success_at', now)
elseif what == 'retry' or what == 'dead' then
  redis.call('HSET', KEYS[4], 'last_status', ARGV[9])
  redis.call('HSETNX', KEYS[4], 'failing_since', now)
  local failures = redis.call('HINCRBY', KEYS[4], 'failures', 1)
  local pause, probe = unpack(redis.call('HMGET', KEYS[4], 'pause', 'probe'))
  local length
  if not pause and failures >= tonumber(ARGV[10]) then
    length = tonumber(ARGV[11])
  elseif pause and probe == lane then
    length = math.min(tonumber(pause) * 2, tonumber(ARGV[12]))
  end
  if length then
    redis.call('HSET', KEYS[4], 'pause', length, 'paused_until', now + length)
    redis.call('HDEL', KEYS[4], 'probe')
  end
end

if what == 'again' or what == 'retry' then
  if what == 'retry' then redis.call('LSET', KEYS[2], 0, ARGV[8]) end
  redis.call('ZADD', KEYS[1], 'XX', ARGV[7], lane)
  return nil
end

redis.call('LPOP', KEYS[2])
redis.call('HINCRBY', KEYS[3], receiver, -1)
if what == 'dead' then
  redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[13], '*', 'lane', lane, 'message', ARGV[8],
    'status', ARGV[9], 'at', now)
  local time = redis.call('TIME')
  redis.call('XTRIM', KEYS[5], 'MINID', string.format('%d', time[1] * 1000 - tonumber(ARGV[14])))
end
local following = redis.call('LINDEX', KEYS[2], 0)
if not following then
  redis.call('ZREM', KEYS[1], lane)
  return nil
end
if redis.call('HGET', KEYS[4], 'pause') then -- one at a time, and the first after the pause
  redis.call('ZADD', KEYS[1], 'XX', now, lane)
  return nil
end
redis.call('ZADD', KEYS[1], 'XX', now + lease, lane)
return following
