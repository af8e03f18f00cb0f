-- Rates, by the generic cell rate algorithm (ITU-T I.371, virtual scheduling): a key holds when the next one
-- would be due if they came evenly. Shared by the scripts that enforce one. Times in ms.

-- When the next one would be due, and what time it is. A caller's clock may be behind the one that this was written
-- by: it is another server's, was set back, or was read seconds ago. That one's shows now what it will when the key is
-- due, less the time that the key has left.
local function standing(key, now, window)
  local due = tonumber(redis.call('GET', key) or now)
  local left = redis.call('PTTL', key) -- of keys that are not there as well: the same work for all
  if due <= now then return now, now end
  if left >= 0 then now = math.max(now, due - left) end
  return math.min(math.max(due, now), now + window), now
end

-- Take one, unless there is none. A millisecond early is in time, so that rounding never costs the last one.
-- Returns {taken (1 or 0), left, ms until there is one, ms until all are there again}
local function take(key, at, limit, window)
  local interval = window / limit
  local due, now = standing(key, at, window)
  local wait = due + interval - window - now
  if wait > math.min(1, interval / 2) then return { 0, 0, math.ceil(wait), math.ceil(due - now) } end
  due = due + interval
  redis.call('SET', key, string.format('%.3f', due), 'PX', math.ceil(due - now))
  return { 1, math.max(0, math.floor((now + window - due) / interval + 0.5)), 0, math.ceil(due - now) }
end

-- What was taken was not used.
local function give(key, at, limit, window)
  local due, now = standing(key, at, window)
  due = due - window / limit
  if due <= now then
    redis.call('DEL', key)
  else
    redis.call('SET', key, string.format('%.3f', due), 'PX', math.ceil(due - now))
  end
end
