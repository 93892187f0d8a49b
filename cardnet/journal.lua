-- The journal of what was begun and has no answer yet. Every function looks first and writes last: Redis undoes nothing.
-- An entry's state: open -> answered | abandoned; answered -> abandoned when it is taken back.
-- Its run: 1 for whoever began it (the field is missing then), one more each time another instance takes it up. The
-- last one alone may answer it, give it up or forget it: nobody listens to those before.
-- KEYS are always: the entry, the set of pending entries (scored by when they fall due), the running number.

local function to_be_reversed(keys, id)
  redis.call('HSET', keys[1], 'state', 'abandoned')
  redis.call('ZADD', keys[2], 0, id)
end

local function abandoned_beforehand(keys, id, payload)
  redis.call('HSET', keys[1], 'state', 'abandoned', 'fingerprint', '', 'number', 0, 'payload', payload)
  if payload ~= '' then redis.call('ZADD', keys[2], 0, id) end
end

-- ARGV: id, fingerprint, payload, due (seconds), body, '1' where it is asked again.
-- Answers {state, number, answer, payload, run}: "new" where this call made it, "taken" where it took it up.
function functions.journal_begin(keys, args)
  local known = redis.call('HMGET', keys[1], 'state', 'fingerprint', 'number', 'answer', 'payload', 'body', 'run')
  if known[1] then
    local state, run = known[1], tonumber(known[7] or '1')
    if known[2] ~= '' and known[2] ~= args[2] then return {'reused', 0, '', '', 0} end
    if state == 'open' and args[6] == '1' and known[6] == args[5] then
      state, run = 'taken', run + 1
      redis.call('HSET', keys[1], 'run', run)
    end
    return {state, tonumber(known[3]), known[4] or '', known[5] or '', run}
  end
  local number = redis.call('INCR', keys[3])
  redis.call('HSET', keys[1], 'state', 'open', 'fingerprint', args[2], 'number', number, 'payload', args[3],
    'body', args[5])
  redis.call('ZADD', keys[2], args[4], args[1])
  return {'new', number, '', args[3], 1}
end

-- ARGV: id, answer, run. Answers {state, answer}: "answered" with the answer that is kept, this one or an earlier one;
-- "open" where a later run has taken it up; "abandoned", or nothing at all, where the answer came too late.
function functions.journal_finish(keys, args)
  local known = redis.call('HMGET', keys[1], 'state', 'answer', 'run')
  if known[1] == 'open' and (known[3] or '1') == args[3] then
    redis.call('HSET', keys[1], 'state', 'answered', 'answer', args[2])
    redis.call('ZREM', keys[2], args[1])
    return {'answered', args[2]}
  end
  return {known[1] or 'abandoned', known[2] or ''}
end

-- ARGV: id, payload (used where there is no entry yet: a mark that refuses a late beginning). Whatever was answered.
function functions.journal_abandon(keys, args)
  local state = redis.call('HGET', keys[1], 'state')
  if not state then
    abandoned_beforehand(keys, args[1], args[2])
  elseif state ~= 'abandoned' then
    to_be_reversed(keys, args[1])
  end
end

-- ARGV: id, run, payload (as above). Abandons what this run has not answered. Answers the answer that is kept, if any.
function functions.journal_give_up(keys, args)
  local known = redis.call('HMGET', keys[1], 'state', 'answer', 'run')
  if not known[1] then
    abandoned_beforehand(keys, args[1], args[3])
  elseif known[1] == 'open' and (known[3] or '1') == args[2] then
    to_be_reversed(keys, args[1])
  end
  return known[1] == 'answered' and known[2]
end

-- ARGV: id, run. Removes an open entry of which this run knows that it had no effect, so that its id can be used again.
-- Where there was another run, nobody knows that: then it is to be reversed.
function functions.journal_forget(keys, args)
  local known = redis.call('HMGET', keys[1], 'state', 'run')
  if known[1] ~= 'open' or (known[2] or '1') ~= args[2] then return end
  if known[2] then return to_be_reversed(keys, args[1]) end
  redis.call('DEL', keys[1])
  redis.call('ZREM', keys[2], args[1])
end

-- ARGV: id, answer. Keeps the answer of what never began here. Answers the one that is kept, or nothing if it was abandoned.
function functions.journal_keep(keys, args)
  local known = redis.call('HMGET', keys[1], 'state', 'answer')
  if known[1] then return known[1] == 'answered' and known[2] end
  redis.call('HSET', keys[1], 'state', 'answered', 'fingerprint', '', 'number', 0, 'payload', '', 'answer', args[2])
  return args[2]
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
