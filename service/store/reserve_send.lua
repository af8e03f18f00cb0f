-- Count a send to a phone number before it is made: Twilio allows 5 per verification (60203).
-- KEYS: number (hash: n sends, v verification), undeliverable
-- ARGV: sends allowed, life of a verification (ms)
-- Returns {'ok'}, {'undeliverable', why} or {'exhausted'}

local why = redis.call('GET', KEYS[2])
if why then return { 'undeliverable', why } end
if tonumber(redis.call('HGET', KEYS[1], 'n') or '0') >= tonumber(ARGV[1]) then return { 'exhausted' } end
if redis.call('HINCRBY', KEYS[1], 'n', 1) == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return { 'ok' }
