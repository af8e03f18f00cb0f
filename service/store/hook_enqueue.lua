-- Put messages into receivers' queues, each once however often its outbox entry is read.
-- KEYS: what the reader has read (hash), how many wait (hash), what is told once (hash),
--   then of each message: its receiver's lanes, its lane
-- ARGV: now (ms), how many may wait for one receiver, lease (ms), then of each message: partition and entry in the outbox
--   ('': it comes from elsewhere), receiver, lane, message, '1': to be looked at now though its lane waits,
--   a name ('': none) that is told once, until (ms)
-- Returns how many were refused since too many wait

local now, most, lease = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

local function numbers(entry)
  local ms, nth = string.match(entry, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(nth)
end

local function after(entry, other)
  local ms, nth = numbers(entry)
  local other_ms, other_nth = numbers(other)
  return ms > other_ms or (ms == other_ms and nth > other_nth)
end

local read, reached, refused = {}, {}, 0

local function is_new(partition, entry)
  if partition == '' then return true end
  if read[partition] == nil then
    read[partition] = redis.call('HGET', KEYS[1], partition) or '0-0'
    reached[partition] = read[partition]
  end
  if not after(entry, read[partition]) then return false end
  if after(entry, reached[partition]) then reached[partition] = entry end
  return true
end

local function told_before(name, till)
  if name == '' then return false end
  local present = redis.call('HGET', KEYS[3], name)
  if present and tonumber(present) > now then return true end
  redis.call('HSET', KEYS[3], name, till)
  return false
end

local key = 4
for i = 4, #ARGV, 8 do
  local receiver, lane, hurry = ARGV[i + 2], ARGV[i + 3], ARGV[i + 5]
  if is_new(ARGV[i], ARGV[i + 1]) and not told_before(ARGV[i + 6], ARGV[i + 7]) then
    if tonumber(redis.call('HGET', KEYS[2], receiver) or '0') >= most then
      refused = refused + 1
    else
      redis.call('RPUSH', KEYS[key + 1], ARGV[i + 4])
      redis.call('HINCRBY', KEYS[2], receiver, 1)
      local due = redis.call('ZSCORE', KEYS[key], lane)
      -- What is due within a lease may be under way.
      if not due or (hurry == '1' and tonumber(due) > now + lease) then
        redis.call('ZADD', KEYS[key], now, lane)
      end
    end
  end
  key = key + 2
end
for partition, entry in pairs(reached) do redis.call('HSET', KEYS[1], partition, entry) end
return refused
