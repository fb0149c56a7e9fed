-- ARGV: time or '', debounce, maximum wait, market limit, manual limit, window, lease, most, token.
-- Returns {1 if the queue is new (its memory was lost), how many their limit puts off now,
-- {id, kind, priority, first, symbols}...,}.
local is_new = 1 - redis.call('EXISTS', named('clock'))
local now = moment()
local debounce, longest = tonumber(ARGV[2]), tonumber(ARGV[3])
local limits = { market = tonumber(ARGV[4]), manual = tonumber(ARGV[5]) }
local window, lease, most, token = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9]

-- What a dead claimant held waits again, as urgent and as old as it was.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', named('claims'), '-inf', now)) do
  local held = redis.call('HMGET', named('claimed', id), 'first', 'priority')
  local known = redis.call('HMGET', named('waiting', id), 'first', 'last', 'priority')
  local first = math.min(tonumber(held[1]) or now, tonumber(known[1]) or now)
  local priority = math.max(tonumber(held[2]) or 1, tonumber(known[3]) or 1)
  redis.call('HSET', named('waiting', id), 'first', first, 'last', tonumber(known[2]) or first,
    'priority', priority)
  redis.call('SUNIONSTORE', named('symbols', id), named('symbols', id), named('claimed_symbols', id))
  redis.call('DEL', named('claimed', id), named('claimed_symbols', id))
  redis.call('ZREM', named('claims'), id)
  redis.call('ZADD', named('due'), now, id)
  redis.call('HINCRBY', named('counts'), 'reclaimed', 1)
end

-- When a window has room again; now if it has.
local function free_at(kind, id)
  local oldest = redis.call('LINDEX', named(kind, id), limits[kind] - 1)
  return oldest and math.max(now, tonumber(oldest) + window + 1) or now
end

local found = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', named('due'), '-inf', now)) do
  if not redis.call('ZSCORE', named('claims'), id) then
    local row = redis.call('HMGET', named('waiting', id), 'first', 'last', 'priority')
    local first = tonumber(row[1]) or now
    table.insert(found,
      { id = id, first = first, last = tonumber(row[2]) or first, priority = tonumber(row[3]) or 1 })
  end
end
table.sort(found, function(a, b)
  if a.priority ~= b.priority then return a.priority > b.priority end
  if a.first ~= b.first then return a.first < b.first end
  return a.id < b.id
end)

local taken, deferred = { is_new, 0 }, 0
for _, row in ipairs(found) do
  if #taken > most + 1 then break end
  local kind, again = nil, nil
  if row.priority >= 3 then
    again = free_at('manual', row.id)
    if again <= now then kind = 'manual' end
  end
  if not kind then
    local due = math.max(math.min(row.last + debounce, row.first + longest),
      free_at('market', row.id))
    if due <= now then kind = 'market' else again = math.min(again or due, due) end
  end
  if kind then
    local id = row.id
    local symbols = redis.call('SMEMBERS', named('symbols', id))
    if #symbols > 0 then
      redis.call('RENAME', named('symbols', id), named('claimed_symbols', id))
    end
    redis.call('DEL', named('waiting', id))
    redis.call('ZREM', named('due'), id)
    redis.call('HSET', named('claimed', id), 'first', row.first, 'priority', row.priority,
      'token', token)
    redis.call('ZADD', named('claims'), now + lease, id)
    redis.call('LPUSH', named(kind, id), now)
    redis.call('LTRIM', named(kind, id), 0, limits[kind] - 1)
    redis.call('PEXPIRE', named(kind, id), window + 1000)
    redis.call('ZADD', named('windows'), now, id)
    redis.call('HINCRBY', named('counts'), 'claimed', 1)
    table.insert(taken, { id, kind, row.priority, row.first, symbols })
  else
    redis.call('ZADD', named('due'), again, row.id)
    if redis.call('HSETNX', named('waiting', row.id), 'deferred', 1) == 1 then
      redis.call('HINCRBY', named('counts'), 'deferred', 1)
      deferred = deferred + 1
    end
  end
end
redis.call('ZREMRANGEBYSCORE', named('windows'), '-inf', now - window)
taken[2] = deferred
return taken
