-- For wrk: send prepared requests, one after the other.
-- Arguments: file of requests (a line each: path, blank, JSON body), API key, and how long (ms) each caller thinks
-- before a request on average; 0: as fast as answers come
-- Prints one line of JSON at the end. Once all are used the last one goes again; what came of it tells.

local lines, at = {}, 0

function init(args)
  for line in io.lines(args[1]) do lines[#lines + 1] = line end
  wrk.headers['Authorization'] = 'Bearer ' .. args[2]
  wrk.headers['Content-Type'] = 'application/json'
  wrk.headers['Accept'] = 'application/json'
  local longest = 2 * tonumber(args[3])
  if longest > 0 then -- wrk looks for it once this has run; its time is in no latency
    function delay() return math.random(0, longest) end
  end
end

function request()
  at = at + 1
  local line = lines[at] or lines[#lines]
  local blank = line:find(' ', 1, true)
  return wrk.format('POST', line:sub(1, blank - 1), nil, line:sub(blank + 1))
end

function done(summary, latency, _)
  local e = summary.errors
  local faults = string.format('"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d',
    e.connect, e.read, e.write, e.status, e.timeout)
  io.write(string.format('{"requests": %d, "duration": %d, "median": %.0f, "p99": %.0f, "faults": {%s}}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), faults))
end
