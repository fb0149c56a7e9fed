-- ARGV: time or '', debounce, maximum wait, priority, then for each portfolio: id, number of
-- symbols, symbols. Returns how many portfolios began to wait; the others were merged.
local now = moment()
local debounce, longest, priority = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local begun, at = 0, 5
while ARGV[at] do
  local id, count = ARGV[at], tonumber(ARGV[at + 1])
  local waiting = named('waiting', id)
  local known = redis.call('HMGET', waiting, 'first', 'priority')
  local first = tonumber(known[1]) or now
  local highest = math.max(tonumber(known[2]) or 0, priority)
  if not known[1] then begun = begun + 1 end
  redis.call('HSET', waiting, 'first', first, 'last', now, 'priority', highest)
  if count > 0 then
    redis.call('SADD', named('symbols', id), unpack(ARGV, at + 2, at + 1 + count))
  end
  local due = math.min(now + debounce, first + longest)
  if highest >= 3 then due = now end
  redis.call('ZADD', named('due'), due, id)
  redis.call('HINCRBY', named('counts'), 'queued', 1)
  at = at + 2 + count
end
return begun
