-- Rates, by the generic cell rate algorithm (ITU-T I.371, virtual scheduling): a key holds when the next one
-- would be due if they came evenly. Shared by the scripts that enforce one. Times in ms.

-- When the next one would be due. More than a window ahead was written before the caller's clock was set back: how
-- much is used then follows from the time that the key has left, by Redis's clock.
local function next_due(key, now, window)
  local due = math.max(tonumber(redis.call('GET', key) or now), now)
  if due > now + window then return now + math.min(math.max(redis.call('PTTL', key), 0), window) end
  return due
end

-- Take one, unless there is none. A millisecond early is in time, so that rounding never costs the last one.
-- Returns {taken (1 or 0), left, ms until there is one, ms until all are there again}
local function take(key, now, limit, window)
  local interval = window / limit
  local due = next_due(key, now, window)
  local wait = due + interval - window - now
  if wait > math.min(1, interval / 2) then return { 0, 0, math.ceil(wait), math.ceil(due - now) } end
  due = due + interval
  redis.call('SET', key, string.format('%.3f', due), 'PX', math.ceil(due - now))
  return { 1, math.max(0, math.floor((now + window - due) / interval + 0.5)), 0, math.ceil(due - now) }
end

-- What was taken was not used.
local function give(key, now, limit, window)
  local due = next_due(key, now, window) - window / limit
  if due <= now then
    redis.call('DEL', key)
  else
    redis.call('SET', key, string.format('%.3f', due), 'PX', math.ceil(due - now))
  end
end
