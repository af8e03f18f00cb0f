-- Replace a record by its next version and tell the outbox, if nobody was faster.
-- KEYS: record, outbox, due
-- ARGV: expected version (0: the record must not exist), new record ('': delete it), ttl (ms; 0: as it is,
--   or none for a new one), due member ('': leave the schedule alone), due at (ms; '': unschedule),
--   id to wake waiters of ('': nobody), then of each event: type, at (ms), data
-- Returns {1} or {0, the record as it stands}

local expected, record, ttl = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local raw = redis.call('GET', KEYS[1])
local version = 0
if raw then version = cjson.decode(raw).v or 0 end
if version ~= expected or (expected > 0) ~= (raw ~= false) then return { 0, raw } end

if record == '' then
  redis.call('DEL', KEYS[1])
elseif ttl > 0 then
  redis.call('SET', KEYS[1], record, 'PX', ttl)
else
  redis.call('SET', KEYS[1], record, 'KEEPTTL')
end
if ARGV[4] ~= '' then
  if ARGV[5] == '' then
    redis.call('ZREM', KEYS[3], ARGV[4])
  else
    redis.call('ZADD', KEYS[3], ARGV[5], ARGV[4])
  end
end
for i = 7, #ARGV, 3 do emit(KEYS[2], ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2]) end
if ARGV[6] ~= '' then redis.call('PUBLISH', 'otp:changed', ARGV[6]) end
return { 1 }
