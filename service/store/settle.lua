-- End an attempt that verify.lua reserved.
-- KEYS: challenge, outbox, due
-- ARGV[1], JSON: id, application, now (ms), user_prefix, and outcome:
--   approve  by channel; for totp with factor (id) and step, which is used up in the same step
--   wrong    the code is none of the accepted ones
--   refund   nobody could say; the attempt is given back, max_refunds times at most, then it is a wrong one. What was
--            compared with local factors (compared) stays a failure in a row
--   over     the provider's code is over: its channels (in channels) stop being accepted
-- and fault: false when the provider answered, true when it failed; absent when it was not asked
-- Returns {outcome, challenge}: missing | ended | approved | wrong | refunded | over

local a = cjson.decode(ARGV[1])
local keys = { challenge = KEYS[1], outbox = KEYS[2], due = KEYS[3] }
if a.fault ~= nil then
  emit(keys.outbox, 'provider.checked', a.now, cjson.encode({ id = a.id, fault = a.fault }))
end
local raw = redis.call('GET', keys.challenge)
if not raw then return { 'missing' } end
local c = cjson.decode(raw)
if c.a ~= a.application then return { 'missing' } end
if c.st ~= 'pending' then return { 'ended', raw } end

c.q = (c.q or 1) - 1
if c.q <= 0 then c.q = nil end

local outcome = a.outcome
if outcome == 'approve' then
  if a.channel ~= 'totp' or use_totp_step(a.user_prefix .. c.u, a.factor, a.step, a.now) then
    return { 'approved', approve(keys, a.id, c, a.channel, a.now) }
  end
  outcome = 'wrong'
end

if outcome == 'refund' then
  if (c.rf or 0) < a.max_refunds then
    c.n, c.rf = c.n - 1, (c.rf or 0) + 1
    if not a.compared then uncount_failure(keys, c) end
    return { 'refunded', save(keys.challenge, a.id, c) }
  end
  outcome = 'wrong'
end

if outcome == 'over' then
  local over = {}
  for _, channel in ipairs(a.channels) do over[channel] = true end
  for _, entry in ipairs(c.cs) do
    if over[entry.c] and entry.o and not entry.k then
      entry.o, entry.s, entry.r = nil, 'failed', 'ended'
    end
  end
  c.ra = a.now -- a new code may be asked for at once
end

lock_if_spent(keys, a.id, c, a.now)
emit_challenge(keys.outbox, 'wrong_code', a.now, a.id, c, { attempts = c.n })
return { outcome, save(keys.challenge, a.id, c) }
