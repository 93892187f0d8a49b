-- The vault: one function for each decision that must be one step. Every function looks first and writes last: Redis
-- undoes nothing. It sees names and ciphertext only: no PAN and no token ever comes here.
-- A record's version changes with its state, so "the same version" means "what was checked still holds".

local MOST_CRYPTOGRAMS = 65535 -- the counter has two bytes
local MOST_UNUSED = 64
local FINGERPRINT = 32 -- characters at the beginning of a transaction in the history

local function is_number(text)
  return #text <= 15 and text:find('^%d+$') ~= nil
end

-- KEYS: record, outbox. ARGV: the version that it must have ('' for none yet), then version, state, key, facts, sealed,
-- salt, and what is to be told of the change ('' for nothing). Answers 1, or 0 where another one was faster.
function functions.tsp_write_record(keys, args)
  local version = redis.call('HGET', keys[1], 'version') or ''
  if version ~= args[1] then return 0 end
  redis.call('HSET', keys[1], 'version', args[2], 'state', args[3], 'key', args[4], 'facts', args[5],
    'sealed', args[6], 'salt', args[7])
  if args[8] ~= '' then redis.call('HSET', keys[2], args[2], args[8]) end
  return 1
end

-- KEYS: record. Removes a record that is still PENDING: nobody was told of its token.
function functions.tsp_withdraw_record(keys, args)
  if redis.call('HGET', keys[1], 'state') ~= 'PENDING' then return 0 end
  return redis.call('DEL', keys[1])
end

-- KEYS: a hash. ARGV: field, the value that it must hold ('' for none yet), the new value. Answers what it holds now.
function functions.tsp_claim(keys, args)
  local held = redis.call('HGET', keys[1], args[1]) or ''
  if held ~= args[2] then return held end
  redis.call('HSET', keys[1], args[1], args[3])
  return args[3]
end

-- KEYS: cryptograms. ARGV: now (milliseconds since 1970), the greatest amount that is bound ('' where it is not a
-- limit). Answers the next counter, or 0 when there is none left.
function functions.tsp_issue_atc(keys, args)
  if not is_number(args[1]) then return redis.error_reply('ERR not a time') end
  local last = tonumber(redis.call('HGET', keys[1], 'last') or '0')
  if last >= MOST_CRYPTOGRAMS then return 0 end
  local atc = string.format('%d', last + 1)
  redis.call('HSET', keys[1], 'last', atc, atc, args[1] .. ':' .. args[2])
  redis.call('HDEL', keys[1], string.format('%d', last + 1 - MOST_UNUSED))
  return last + 1
end

-- KEYS: record, history, cryptograms, use.
-- ARGV: the version that was checked; the transaction, its entry for the history, other fingerprints that it may have;
-- ATC ('' for none), the oldest issue time that is in the window; the original that it must have ('' for none), the
-- mark that makes it an original itself ('' for none); '1' for a token that is good for one use.
-- There is no rule "last accepted < ATC": payments made at the same time overtake one another. What counts is that the
-- ATC was issued here, recently, and was not used.
function functions.tsp_admit(keys, args)
  local record, history, cryptograms, use = keys[1], keys[2], keys[3], keys[4]
  local version, transaction, entry, fingerprints, atc, oldest, original, mark, once = unpack(args)
  if not is_number(oldest) then return redis.error_reply('ERR not a time') end
  local now = redis.call('HMGET', record, 'version', 'state')
  if now[1] ~= version or now[2] ~= 'ACTIVE' then return 'changed' end

  local known = redis.call('HMGET', history, transaction, 'reversed:' .. transaction)
  if known[2] then return 'reversed' end
  if known[1] then
    -- A repeat of a transaction may use its cryptogram again, since it is the same use.
    local fingerprint = known[1]:sub(1, FINGERPRINT)
    local same = fingerprint == entry:sub(1, FINGERPRINT) or fingerprints:find(fingerprint, 1, true)
    return same and 'repeated' or 'reused'
  end

  if original ~= '' and redis.call('HEXISTS', history, original) == 0 then return 'original' end
  if once == '1' and redis.call('HEXISTS', use, 'used') == 1 then return 'exhausted' end
  if atc ~= '' then
    local issued = is_number(atc) and redis.call('HGET', cryptograms, atc)
    if not issued then return 'replayed' end
    if tonumber(issued:match('^%d+')) < tonumber(oldest) then return 'expired' end
    redis.call('HDEL', cryptograms, atc)
    local limit = issued:match(':(%d+)$') -- kept: a repeat of the transaction has its cryptogram validated again
    if limit then redis.call('HSET', cryptograms, 'limit:' .. atc, limit) end
    redis.call('HDEL', use, 'failures')
  end
  if once == '1' then redis.call('HSET', use, 'used', transaction) end
  if mark ~= '' then redis.call('HSET', history, mark, transaction) end
  redis.call('HSET', history, transaction, entry)
  return 'admitted'
end

-- KEYS: use. ARGV: how many failures there may be. Counts one more; answers 1 where that was one too many, and begins
-- to count anew, else 0.
function functions.tsp_count_failure(keys, args)
  local failures = redis.call('HINCRBY', keys[1], 'failures', '1')
  if failures < tonumber(args[1]) then return 0 end
  redis.call('HDEL', keys[1], 'failures')
  return 1
end

-- KEYS: history. ARGV: transaction. Marks it as reversed, known or not, so that no late original passes.
-- Answers its entry, or nothing where it had not been admitted.
function functions.tsp_recall(keys, args)
  redis.call('HSET', keys[1], 'reversed:' .. args[1], '1')
  return redis.call('HGET', keys[1], args[1])
end
