-- Rates, by the generic cell rate algorithm (ITU-T I.371, virtual scheduling): a key holds when the next one
-- would be due if they came evenly. Shared by the scripts that enforce one. Times in ms.

-- Take one, unless there is none. A millisecond early is in time, so that rounding never costs the last one.
-- Returns {taken (1 or 0), left, ms until there is one, ms until all are there again}
local function take(key, now, limit, window)
  local interval = window / limit
  local due = math.min(math.max(tonumber(redis.call('GET', key) or now), now), now + window)
  local wait = due + interval - window - now
  if wait > math.min(1, interval / 2) then return { 0, 0, math.ceil(wait), math.ceil(due - now) } end
  due = due + interval
  redis.call('SET', key, string.format('%.3f', due), 'PX', math.ceil(due - now))
  return { 1, math.max(0, math.floor((now + window - due) / interval + 0.5)), 0, math.ceil(due - now) }
end

-- What was taken was not used.
local function give(key, now, limit, window)
  local due = tonumber(redis.call('GET', key) or now) - window / limit
  if due <= now then
    redis.call('DEL', key)
  else
    redis.call('SET', key, string.format('%.3f', due), 'PX', math.ceil(due - now))
  end
end
