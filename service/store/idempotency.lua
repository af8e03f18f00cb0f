-- Claim an idempotency key, or tell what became of the request that has it.
-- KEYS: idempotency
-- ARGV: fingerprint of the request, lease of a running request (ms)
-- Returns {'claimed'}, {'reused'} (another request), {'running'} or {'done', answer}

local raw = redis.call('GET', KEYS[1])
if not raw then
  redis.call('SET', KEYS[1], ARGV[1] .. '\n', 'PX', ARGV[2])
  return { 'claimed' }
end
local fingerprint, answer = string.match(raw, '^([^\n]*)\n(.*)$')
if fingerprint ~= ARGV[1] then return { 'reused' } end
if answer == '' then return { 'running' } end
return { 'done', answer }
