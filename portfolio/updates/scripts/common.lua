-- Shared by the queue's scripts. KEYS[1] is the prefix of its keys; times are milliseconds.
--   clock          hash   seen, offset: a clock that never goes back
--   due            zset   portfolio -> when it may be claimed
--   waiting:ID     hash   first, last, priority of what waits; symbols:ID the set that moved
--   claims         zset   portfolio -> when its claim lapses
--   claimed:ID     hash   first, priority, token; claimed_symbols:ID the set being computed
--   market:ID, manual:ID  lists of the latest claims of a kind, newest first
--   windows        zset   portfolio -> its latest claim
--   counts         hash   what happened so far; delays the latest delays, newest first
local prefix = KEYS[1]

local function named(name, id)
  if id then return prefix .. ':' .. name .. ':' .. id end
  return prefix .. ':' .. name
end

-- The server's time (or ARGV[1], in tests), carried on from the latest seen where it went back.
local function moment()
  local now = tonumber(ARGV[1])
  if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  local clock = redis.call('HMGET', named('clock'), 'seen', 'offset')
  local seen, offset = tonumber(clock[1]) or 0, tonumber(clock[2]) or 0
  if now + offset < seen then offset = seen - now end
  redis.call('HSET', named('clock'), 'seen', now + offset, 'offset', offset)
  return now + offset
end
