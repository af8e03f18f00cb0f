-- Shared by the scripts on challenges. Times are milliseconds since the epoch.
-- The fields' names are those of service/domain/challenge.py; what equals its default is absent there.

local OUTBOX_LENGTH = 4096 -- events kept per partition, about

local function emit(outbox, kind, at, data)
  redis.call('XADD', outbox, 'MAXLEN', '~', OUTBOX_LENGTH, '*',
    'type', kind, 'at', string.format('%d', at), 'data', data)
end

local function emit_challenge(outbox, kind, at, id, c, extra)
  local data = { id = id, application = c.a, user = c.u, channel = c.ch, drill = c.dr }
  for name, value in pairs(extra or {}) do data[name] = value end
  emit(outbox, 'challenge.' .. kind, at, cjson.encode(data))
end

-- The sends that health waits for, by channel: when it was taken and by which carrier; nil when none.
local function sends_of(c)
  local sends
  for _, entry in ipairs(c.cs) do
    if entry.sa and not entry.nr and (entry.v or not c.dr) then -- not missed, nor simulated
      sends = sends or {}
      sends[entry.c] = { entry.sa, entry.ca }
    end
  end
  return sends
end

-- Whether the provider holds a verification for it, which it wants to know the end of.
local function has_verification(c)
  for _, entry in ipairs(c.cs) do
    if entry.v then return true end
  end
  return false
end

-- Store the next version.
local function store(key, c)
  c.v = c.v + 1
  local raw = cjson.encode(c)
  redis.call('SET', key, raw, 'KEEPTTL')
  return raw
end

-- Store the next version and wake whoever waits for a change.
local function save(key, id, c)
  local raw = store(key, c)
  redis.call('PUBLISH', 'otp:changed', id)
  return raw
end

-- Wrong codes in a row, of a user and of a user from one network address. Each a hash: n how many, t until when (ms)
-- nothing is compared, e the epoch that an operator's unlocking begins: an address's count is of its user's epoch,
-- or void. They are in the challenge's slot: otp:{00}:
local NEVER = 2 ^ 53
local DAY = 86400000

local function failures_of(keys, c)
  local user = string.sub(keys.challenge, 1, 9) .. 'f:' .. c.u
  return user, c.ip and (user .. ':' .. c.ip)
end

-- How long (ms) nothing that can be guessed is compared for a user, or NEVER: until an operator says so; and the
-- user's epoch. An address's count of another epoch is gone after it.
local function held_for(keys, c, now)
  local user, origin = failures_of(keys, c)
  local of_user = redis.call('HMGET', user, 't', 'e')
  local untils, epoch = tonumber(of_user[1] or '0'), of_user[2]
  if origin then
    local of_origin = redis.call('HMGET', origin, 't', 'e')
    if of_origin[2] ~= epoch then
      redis.call('DEL', origin)
    else
      untils = math.max(untils, tonumber(of_origin[1] or '0'))
    end
  end
  return untils >= NEVER and NEVER or untils - now, epoch
end

-- Count a code as wrong before it is compared, so that racing guesses are all counted; `approve` takes it back.
-- epoch: as `held_for` said; f: free tries by user and by address, then waits from first to longest (ms), at lock
-- for good
local function count_failure(keys, c, epoch, f, now)
  local user, origin = failures_of(keys, c)
  local function count(key, free, life)
    local n = redis.call('HINCRBY', key, 'n', 1)
    redis.call('PEXPIRE', key, life)
    if n >= free then
      redis.call('HSET', key, 't', string.format('%d', now + math.min(f.first * 2 ^ math.min(n - free, 40), f.longest)))
    end
    return n
  end
  if origin then
    count(origin, f.address, DAY)
    if epoch then redis.call('HSET', origin, 'e', epoch) end
  end
  local n = count(user, f.user, 30 * DAY)
  if n >= f.lock then
    redis.call('HSET', user, 't', string.format('%d', NEVER))
    redis.call('PERSIST', user)
  end
  if n == f.lock then
    emit(keys.outbox, 'user.locked', now, cjson.encode({ application = c.a, user = c.u, failures = n }))
  end
end

-- Nobody could say whether it was wrong.
local function uncount_failure(keys, c)
  local user, origin = failures_of(keys, c)
  if origin and redis.call('HGET', origin, 'e') ~= redis.call('HGET', user, 'e') then redis.call('DEL', origin) end
  for key, life in pairs({ [user] = 30 * DAY, [origin or user] = origin and DAY or 30 * DAY }) do
    if redis.call('HINCRBY', key, 'n', -1) <= 0 then redis.call('HDEL', key, 'n') end
    redis.call('HDEL', key, 't')
    redis.call('PEXPIRE', key, life)
  end
end

local function forget_failures(keys, c)
  local user, origin = failures_of(keys, c)
  redis.call('HDEL', user, 'n', 't')
  if origin then redis.call('DEL', origin) end
end

local function approve(keys, id, c, channel, now)
  forget_failures(keys, c)
  c.st, c.by, c.en, c.q = 'approved', channel, now, nil
  redis.call('ZREM', keys.due, id)
  emit_challenge(keys.outbox, 'approved', now, id, c, { approved_by = channel, attempts = c.n, started_at = c.at,
    country = c.cc, block = c.px, sends = sends_of(c), verifications = has_verification(c) })
  return save(keys.challenge, id, c)
end

-- After a wrong code: the last attempt locks, unless another one is still being checked.
local function lock_if_spent(keys, id, c, now)
  if c.n >= c.m and (c.q or 0) <= 0 then
    c.st, c.en, c.q = 'locked', now, nil
    redis.call('ZREM', keys.due, id)
    emit_challenge(keys.outbox, 'locked', now, id, c,
      { attempts = c.n, country = c.cc, block = c.px, sends = sends_of(c), verifications = has_verification(c) })
  end
end

-- A user's class: p(hone), t(otp), e(mail), b(ackup codes); nil for nobody, one who has nothing, or who was not
-- counted yet: a record from before schema 1 (`s`).
local function class_of(u)
  if not u or not u.s then return nil end
  local letters = (u.h or '')
  if u.f and #u.f > 0 then letters = letters .. 't' end
  if u.bc and #u.bc > 0 then letters = letters .. 'b' end
  if letters == '' then return nil end
  return letters
end

-- Keep count of who would get in without the primary provider. The keys are in the user's partition.
local function count_user(user_key, before, after)
  local partition = string.sub(user_key, 1, 9) -- otp:{00}:
  local was, is = class_of(before), class_of(after)
  if was == is then return end
  local u = after or before
  if was then redis.call('HINCRBY', partition .. 'classes', was .. ' ' .. u.a, -1) end
  if is then redis.call('HINCRBY', partition .. 'classes', is .. ' ' .. u.a, 1) end
  if is == 'p' then
    redis.call('ZADD', partition .. 'lacking', 0, u.k)
  elseif was == 'p' then
    redis.call('ZREM', partition .. 'lacking', u.k)
  end
end

-- The user's record with one backup code taken out, or false when it is not there.
local function use_backup_code(user_key, outbox, hash, now)
  local raw = redis.call('GET', user_key)
  if not raw then return false end
  local u = cjson.decode(raw)
  for i, known in ipairs(u.bc or {}) do
    if known == hash then
      table.remove(u.bc, i)
      local left = #u.bc
      if left == 0 then count_user(user_key, cjson.decode(raw), u) end
      if left == 0 then u.bc = nil end -- an empty table would be stored as an object
      u.v = u.v + 1
      redis.call('SET', user_key, cjson.encode(u))
      emit(outbox, 'backup_code.used', now, cjson.encode({ application = u.a, user = u.k, remaining = left }))
      return true
    end
  end
  return false
end

-- Each time step once (RFC 6238 section 5.2): false when this step, or a later one, was used before.
local function use_totp_step(user_key, factor_id, step, now)
  local raw = redis.call('GET', user_key)
  if not raw then return false end
  local u = cjson.decode(raw)
  for _, factor in ipairs(u.f or {}) do
    if factor.i == factor_id then
      if step <= (factor.ls or 0) then return false end
      factor.ls, factor.lu = step, now
      u.v = u.v + 1
      redis.call('SET', user_key, cjson.encode(u))
      return true
    end
  end
  return false
end
