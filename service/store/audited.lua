-- Change one field of a hash, note it in the audit trail and tell the outbox, all or nothing.
-- KEYS: audit (stream), head of the audit's chain, outbox, hash
-- ARGV: head that the new entry was chained to ('': the trail is empty), new head, entry,
--   field ('': nothing is changed), version that it must have now (0: it must not be there; '': any),
--   new value ('': remove it), then of each event: type, at (ms), data
-- Returns {'done'} | {'head', the head as it is} | {'version'}

if (redis.call('GET', KEYS[2]) or '') ~= ARGV[1] then return { 'head', redis.call('GET', KEYS[2]) } end
if ARGV[4] ~= '' then
  if ARGV[5] ~= '' then
    local raw = redis.call('HGET', KEYS[4], ARGV[4])
    if (raw and cjson.decode(raw).version or 0) ~= tonumber(ARGV[5]) then return { 'version' } end
  end
  if ARGV[6] == '' then
    redis.call('HDEL', KEYS[4], ARGV[4])
  else
    redis.call('HSET', KEYS[4], ARGV[4], ARGV[6])
  end
end
if ARGV[3] ~= '' then
  redis.call('XADD', KEYS[1], '*', 'entry', ARGV[3], 'hash', ARGV[2])
  redis.call('SET', KEYS[2], ARGV[2])
end
for i = 7, #ARGV, 3 do
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', 4096, '*', 'type', ARGV[i], 'at', ARGV[i + 1], 'data', ARGV[i + 2])
end
return { 'done' }
