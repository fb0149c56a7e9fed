-- ARGV: time or '', id, token. Returns the delay since the first update; -1 if another has it now.
local now = moment()
local id, token = ARGV[2], ARGV[3]
local held = redis.call('HMGET', named('claimed', id), 'token', 'first')
if held[1] ~= token then return -1 end
redis.call('DEL', named('claimed', id), named('claimed_symbols', id))
redis.call('ZREM', named('claims'), id)
local delay = now - tonumber(held[2])
redis.call('LPUSH', named('delays'), delay)
redis.call('LTRIM', named('delays'), 0, 999)
redis.call('HINCRBY', named('counts'), 'finished', 1)
return delay
