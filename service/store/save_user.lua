-- Replace a user's record by its next version, keep the readiness counters and tell the outbox, if nobody was
-- faster.
-- KEYS: record, outbox
-- ARGV: expected version (0: the record must not exist), new record ('': delete it), then of each event: type,
--   at (ms), data
-- Returns {1} or {0, the record as it stands}

local expected, record = tonumber(ARGV[1]), ARGV[2]
local raw = redis.call('GET', KEYS[1])
local before = raw and cjson.decode(raw) or nil
if (before and before.v or 0) ~= expected or (expected > 0) ~= (raw ~= false) then return { 0, raw } end
if record == '' then
  redis.call('DEL', KEYS[1])
  count_user(KEYS[1], before, nil)
else
  redis.call('SET', KEYS[1], record)
  count_user(KEYS[1], before, cjson.decode(record))
end
for i = 3, #ARGV, 3 do emit(KEYS[2], ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2]) end
return { 1 }
