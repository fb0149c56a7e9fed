-- ARGV: time or '', lease, token, ids. Extends the claims that are still the token's.
local now = moment()
for at = 4, #ARGV do
  if redis.call('HGET', named('claimed', ARGV[at]), 'token') == ARGV[3] then
    redis.call('ZADD', named('claims'), 'XX', now + tonumber(ARGV[2]), ARGV[at])
  end
end
return 1
