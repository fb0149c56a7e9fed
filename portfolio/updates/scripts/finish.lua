-- ARGV: time or '', then id and token of each claim. Returns for each the delay since the first
-- update; -1 if another has it now.
local now = moment()
local delays = {}
for at = 2, #ARGV, 2 do
  local id, token = ARGV[at], ARGV[at + 1]
  local held = redis.call('HMGET', named('claimed', id), 'token', 'first')
  if held[1] ~= token then
    table.insert(delays, -1)
  else
    redis.call('DEL', named('claimed', id), named('claimed_symbols', id))
    redis.call('ZREM', named('claims'), id)
    local delay = now - tonumber(held[2])
    redis.call('LPUSH', named('delays'), delay)
    redis.call('HINCRBY', named('counts'), 'finished', 1)
    table.insert(delays, delay)
  end
end
redis.call('LTRIM', named('delays'), 0, 999)
return delays
