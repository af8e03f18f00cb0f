-- Take a receiver's lanes that are due, for a lease; one, as a probe, once its pause is over.
-- KEYS: lanes, state
-- ARGV: now (ms), lease (ms), how many at most
-- Returns the lanes

local now, lease, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local pause, till = unpack(redis.call('HMGET', KEYS[2], 'pause', 'paused_until'))
if pause and tonumber(till) > now then return {} end
if pause then most = 1 end
local lanes = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, most)
for _, lane in ipairs(lanes) do redis.call('ZADD', KEYS[1], 'XX', now + lease, lane) end
-- Whoever dies with the probe leaves the next one to be made after the lease.
if pause and #lanes > 0 then redis.call('HSET', KEYS[2], 'probe', lanes[1], 'paused_until', now + lease) end
return lanes
