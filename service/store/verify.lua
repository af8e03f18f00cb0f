-- Count an attempt and, where the code is one that can be compared here, settle it in the same step.
-- KEYS: challenge, outbox, due
-- ARGV[1], JSON: id, application, now (ms), user_prefix, reservation (ms an unsettled attempt may take),
--   named   the one channel to try, absent: all
--   email   true when the code is the one mailed;  phone  true when it is our own code sent by phone
--   backup  hash of the code when it has the form of a backup code
--   totp    true when it has the form of a TOTP code;  provider  true when it has that of a provider's
--   failures  how many wrong codes in a row are borne: see `count_failure`
-- Returns {outcome, challenge, user}: missing | ended | not_accepted | in_flight | approved | wrong |
--   held (too many wrong codes in a row; third is for how long (ms), or '' for good) |
--   reserved (the attempt is counted; compare, then call settle.lua)

local a = cjson.decode(ARGV[1])
local keys = { challenge = KEYS[1], outbox = KEYS[2], due = KEYS[3] }
local raw = redis.call('GET', keys.challenge)
if not raw then return { 'missing' } end
local c = cjson.decode(raw)
if c.a ~= a.application then return { 'missing' } end
if c.st ~= 'pending' or a.now >= c.ex then return { 'ended', raw } end

local open = {}
for _, entry in ipairs(c.cs) do
  if entry.o then open[entry.c] = entry end
end
if a.named then
  if not open[a.named] then return { 'not_accepted', raw } end
  open = { [a.named] = open[a.named] }
end

c.n = c.n or 0
if c.n >= c.m then
  -- Every attempt is taken. Those whose checker died are given up after a while.
  if a.now - (c.qt or 0) < a.reservation then return { 'in_flight', raw } end
  c.q = nil
  lock_if_spent(keys, a.id, c, a.now)
  return { 'ended', save(keys.challenge, a.id, c) }
end
-- A backup code can't be guessed (80 bits), so that nobody is locked out who has one.
local wait, epoch = held_for(keys, c, a.now)
if wait > 0 then
  if not (a.backup and open.backup_code) then
    return { 'held', raw, wait >= NEVER and '' or string.format('%d', wait) }
  end
  open = { backup_code = open.backup_code }
else
  count_failure(keys, c, epoch, a.failures, a.now)
end
c.n = c.n + 1

if a.email and open.email then return { 'approved', approve(keys, a.id, c, 'email', a.now) } end

local ask = false
for _, channel in ipairs({ 'sms', 'voice', 'whatsapp' }) do
  local entry = open[channel]
  if entry then
    if not entry.k then
      ask = a.provider
    elseif a.phone then
      return { 'approved', approve(keys, a.id, c, channel, a.now) }
    end
  end
end

local user_key = a.user_prefix .. c.u
if a.backup and open.backup_code and use_backup_code(user_key, keys.outbox, a.backup, a.now) then
  return { 'approved', approve(keys, a.id, c, 'backup_code', a.now) }
end

local compare = a.totp and open.totp
if compare or ask then
  c.q, c.qt = (c.q or 0) + 1, a.now
  -- Who waits for a change is woken when it is settled.
  return { 'reserved', store(keys.challenge, c), compare and redis.call('GET', user_key) }
end

lock_if_spent(keys, a.id, c, a.now)
emit_challenge(keys.outbox, 'wrong_code', a.now, a.id, c, { attempts = c.n })
return { 'wrong', save(keys.challenge, a.id, c) }
