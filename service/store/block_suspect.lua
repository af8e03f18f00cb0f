-- Suspect toll fraud in a block of numbers: twice as long each time it comes again within a day.
-- KEYS: unanswered, state (hash: u suspected until, l how often it was), outbox
-- ARGV: now (ms), ms at first, ms at most, the event's data
-- Returns for how long (ms)

local DAY = 86400000
local now = tonumber(ARGV[1])
local suspected_until = tonumber(redis.call('HGET', KEYS[2], 'u') or '0')
if now < suspected_until then return suspected_until - now end -- another process was faster
local times = redis.call('HINCRBY', KEYS[2], 'l', 1)
local life = math.min(tonumber(ARGV[2]) * 2 ^ (times - 1), tonumber(ARGV[3]))
redis.call('HSET', KEYS[2], 'u', string.format('%d', now + life))
redis.call('PEXPIRE', KEYS[2], string.format('%d', life + DAY))
redis.call('DEL', KEYS[1])
emit(KEYS[3], 'fraud.suspected', now, ARGV[4])
return life
