-- The vault: one function for each decision that must be one step. Every function looks first and writes last: Redis
-- undoes nothing. It sees names and ciphertext only: no PAN and no token ever comes here.
-- A record's version changes with its state, so "the same version" means "what was checked still holds".

local MOST_CRYPTOGRAMS = 65535 -- the counter has two bytes
local MOST_UNUSED = 64

local function is_number(text)
  return #text <= 15 and text:find('^%d+$') ~= nil
end

-- KEYS: record. ARGV: the version that it must have ('' for none yet), then version, state, key id, facts, sealed.
-- Answers 1, or 0 where another one was faster.
function functions.tsp_write_record(keys, args)
  local version = redis.call('HGET', keys[1], 'version') or ''
  if version ~= args[1] then return 0 end
  redis.call('HSET', keys[1], 'version', args[2], 'state', args[3], 'key_id', args[4], 'facts', args[5],
    'sealed', args[6])
  return 1
end

-- KEYS: record. Removes a record that is still PENDING: nobody was told of its token.
function functions.tsp_withdraw_record(keys, args)
  if redis.call('HGET', keys[1], 'state') ~= 'PENDING' then return 0 end
  return redis.call('DEL', keys[1])
end

-- KEYS: a place for one value. ARGV: the value that it must hold ('' for none yet), the new value.
-- Answers what it holds now.
function functions.tsp_claim(keys, args)
  local held = redis.call('GET', keys[1]) or ''
  if held ~= args[1] then return held end
  redis.call('SET', keys[1], args[2])
  return args[2]
end

-- KEYS: cryptograms. ARGV: now (milliseconds since 1970). Answers the next counter, or 0 when there is none left.
function functions.tsp_issue_atc(keys, args)
  if not is_number(args[1]) then return redis.error_reply('ERR not a time') end
  local last = tonumber(redis.call('HGET', keys[1], 'last') or '0')
  if last >= MOST_CRYPTOGRAMS then return 0 end
  local atc = string.format('%d', last + 1)
  redis.call('HSET', keys[1], 'last', atc, atc, args[1])
  redis.call('HDEL', keys[1], string.format('%d', last + 1 - MOST_UNUSED))
  return last + 1
end

-- KEYS: record, transaction, cryptograms.
-- ARGV: the version that was checked, fingerprint, ATC ('' for none), the oldest issue time that is in the window.
-- There is no rule "last accepted < ATC": payments made at the same time overtake one another. What counts is that the
-- ATC was issued here, recently, and was not used.
function functions.tsp_admit(keys, args)
  if not is_number(args[4]) then return redis.error_reply('ERR not a time') end
  local record = redis.call('HMGET', keys[1], 'version', 'state')
  if record[1] ~= args[1] or record[2] ~= 'ACTIVE' then return 'changed' end

  local known = redis.call('HMGET', keys[2], 'fingerprint', 'reversed')
  if known[2] then return 'reversed' end
  if known[1] then
    -- A repeat of a transaction may use its cryptogram again, since it is the same use.
    return known[1] == args[2] and 'admitted' or 'reused'
  end

  if args[3] ~= '' then
    local issued = args[3] ~= 'last' and redis.call('HGET', keys[3], args[3])
    if not issued then return 'replayed' end
    if tonumber(issued) < tonumber(args[4]) then return 'expired' end
    redis.call('HDEL', keys[3], args[3])
  end
  redis.call('HSET', keys[2], 'fingerprint', args[2], 'atc', args[3])
  return 'admitted'
end

-- KEYS: transaction. Marks it as reversed, known or not, so that no late original passes.
-- Answers 1 where it had been admitted, else 0.
function functions.tsp_recall(keys, args)
  local known = redis.call('HEXISTS', keys[1], 'fingerprint')
  redis.call('HSET', keys[1], 'reversed', '1')
  return known
end
