-- A send that was counted did not go out.
-- KEYS: number, rate of the number, rate of the number from one network address (as in reserve_send.lua)
-- ARGV: now (ms), then limit and window (ms) of both rates (0: none), network address ('': unknown)

if redis.call('HINCRBY', KEYS[1], 'n', -1) <= 0 then
  redis.call('DEL', KEYS[1])
elseif ARGV[6] ~= '' then
  redis.call('HINCRBY', KEYS[1], 'o:' .. ARGV[6], -1)
end
for i = 1, 2 do
  local limit = tonumber(ARGV[2 * i])
  if limit > 0 then give(KEYS[i + 1], tonumber(ARGV[1]), limit, tonumber(ARGV[2 * i + 1])) end
end
return 0
