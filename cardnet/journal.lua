-- The journal of what was begun and has no answer yet. Every function looks first and writes last: Redis undoes nothing.
-- An entry's state: open -> answered | abandoned; answered -> abandoned when it is taken back.
-- KEYS are always: the entry, the set of pending entries (scored by when they fall due), the running number.

-- ARGV: id, fingerprint, payload, due (seconds). Answers {state, number, answer}: "new" where this call made it.
function functions.journal_begin(keys, args)
  local known = redis.call('HMGET', keys[1], 'state', 'fingerprint', 'number', 'answer')
  if known[1] then
    if known[2] ~= '' and known[2] ~= args[2] then return {'reused', 0, ''} end
    return {known[1], tonumber(known[3]), known[4] or ''}
  end
  local number = redis.call('INCR', keys[3])
  redis.call('HSET', keys[1], 'state', 'open', 'fingerprint', args[2], 'number', number, 'payload', args[3])
  redis.call('ZADD', keys[2], args[4], args[1])
  return {'new', number, ''}
end

-- ARGV: id, answer. Answers 1, or 0 where the entry was abandoned meanwhile and the answer came too late.
function functions.journal_finish(keys, args)
  if redis.call('HGET', keys[1], 'state') ~= 'open' then return 0 end
  redis.call('HSET', keys[1], 'state', 'answered', 'answer', args[2])
  redis.call('ZREM', keys[2], args[1])
  return 1
end

-- ARGV: id, payload (used where there is no entry yet: a mark that refuses a late beginning). Answers the former state.
function functions.journal_abandon(keys, args)
  local state = redis.call('HGET', keys[1], 'state')
  if state == 'abandoned' then return state end
  if not state then
    redis.call('HSET', keys[1], 'state', 'abandoned', 'fingerprint', '', 'number', 0, 'payload', args[2])
    if args[2] ~= '' then redis.call('ZADD', keys[2], 0, args[1]) end
    return 'new'
  end
  redis.call('HSET', keys[1], 'state', 'abandoned')
  redis.call('ZADD', keys[2], 0, args[1])
  return state
end

-- ARGV: id. Removes an open entry that certainly had no effect, so that its id can be used again.
function functions.journal_forget(keys, args)
  if redis.call('HGET', keys[1], 'state') ~= 'open' then return 0 end
  redis.call('DEL', keys[1])
  redis.call('ZREM', keys[2], args[1])
  return 1
end

-- ARGV: "", now, when to offer it again, beyond which moment nothing can rightly be due (all in seconds), prefix of entries.
-- Abandons what fell due; answers {id, number, payload, …}. What is due too late shows that the clock was set back.
function functions.journal_take_due(keys, args)
  local ids = redis.call('ZRANGEBYSCORE', keys[2], '-inf', args[2], 'LIMIT', 0, 100)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', keys[2], '(' .. args[4], '+inf', 'LIMIT', 0, 100)) do
    ids[#ids + 1] = id
  end
  local due = {}
  for _, id in ipairs(ids) do
    local entry = args[5] .. id
    local known = redis.call('HMGET', entry, 'number', 'payload')
    redis.call('HSET', entry, 'state', 'abandoned')
    redis.call('ZADD', keys[2], args[3], id)
    due[#due + 1] = id
    due[#due + 1] = tonumber(known[1]) or 0
    due[#due + 1] = known[2] or ''
  end
  return due
end

-- ARGV: id. The reversal of this entry was acknowledged.
function functions.journal_settle(keys, args)
  return redis.call('ZREM', keys[2], args[1])
end
