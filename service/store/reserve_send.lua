-- Count a send to a phone number before it is made: Twilio allows 5 per verification (60203).
-- KEYS: number (hash: n sends, v verification, c:ID per challenge), undeliverable, carrier
-- ARGV: sends allowed, life of a verification (ms)
-- Returns {'ok', carrier or nil}, {'undeliverable', why} or {'exhausted'}

local why = redis.call('GET', KEYS[2])
if why then return { 'undeliverable', why } end
if tonumber(redis.call('HGET', KEYS[1], 'n') or '0') >= tonumber(ARGV[1]) then return { 'exhausted' } end
if redis.call('HINCRBY', KEYS[1], 'n', 1) == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
local carrier = redis.call('GET', KEYS[3])
if carrier then return { 'ok', carrier } end
return { 'ok' }
