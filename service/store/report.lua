-- Note a delivery report, once.
-- KEYS: report (marks it as seen), outbox, carrier (of the number)
-- ARGV: life of the mark (ms), carrier ('': not told), life of that (ms), then the event: type, at (ms), data
-- Returns 1, or 0 when the report was seen before

if not redis.call('SET', KEYS[1], 1, 'NX', 'PX', ARGV[1]) then return 0 end
if ARGV[2] ~= '' then redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3]) end
emit(KEYS[2], ARGV[4], tonumber(ARGV[5]), ARGV[6])
return 1
