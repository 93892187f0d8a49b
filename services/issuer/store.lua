-- The ledger. Every function looks first and writes last: Redis undoes nothing.
-- An account: available + held = limit after every call. A transaction's state: held | declined -> reversed; or reversed
-- from the beginning, where the reversal came first (such a tombstone has no amount). Reversed is for good.

-- An amount or a count as it may be reckoned with. tonumber takes "nan", "1e2" and "0x10" as well.
local function is_number(text)
  return type(text) == 'string' and #text <= 12 and text:match('^%d+$') ~= nil
end

local function is_amount(text, negative)
  return is_number(text) and negative == '-' .. text
end

local function move(account, from, to, amount, negative, holds)
  redis.call('HINCRBY', account, from, negative)
  redis.call('HINCRBY', account, to, amount)
  redis.call('HINCRBY', account, 'holds', holds)
end

-- KEYS: account. ARGV: limit, then its other fields as name, value, … Answers 0 where there is an account already.
function functions.issuer_open_account(keys, args)
  if not is_number(args[1]) then return redis.error_reply('ERR the limit is no amount') end
  if redis.call('EXISTS', keys[1]) == 1 then return 0 end
  redis.call('HSET', keys[1], 'limit', args[1], 'available', args[1], 'held', '0', 'holds', '0', unpack(args, 2))
  return 1
end

-- KEYS: account, transaction and, where this issuer found a cryptogram right, the mark that it is used.
-- ARGV: answer, auth code, amount, the same with a minus, currency, fingerprint. Answers {response code, auth code}.
function functions.issuer_take_hold(keys, args)
  local account, transaction, used = keys[1], keys[2], keys[3]
  local answer, auth_code, amount, negative, currency, fingerprint = unpack(args)
  if not is_amount(amount, negative) then return redis.error_reply('ERR the amount is none') end

  -- A repeat gets the answer of the first time; one that was taken back gets nothing any more.
  local known = redis.call('HMGET', transaction, 'state', 'fingerprint', 'response_code', 'auth_code')
  if known[1] == 'reversed' then return {'68', ''} end
  if known[1] and known[2] ~= fingerprint then return {'94', ''} end
  if known[1] then return {known[3], known[4]} end

  -- A cryptogram that another authorisation used proves nothing here.
  local replayed = used and redis.call('EXISTS', used) == 1
  if replayed then answer = '82' end

  -- The balance may have changed since the answer was thought out.
  if answer == '00' then
    local now = redis.call('HMGET', account, 'available', 'held', 'holds', 'currency')
    if not (is_number(now[1]) and is_number(now[2]) and is_number(now[3]) and now[4] == currency) then
      return redis.error_reply('ERR the account is damaged')
    end
    if tonumber(now[1]) < tonumber(amount) then answer = '51' end
  end

  if answer ~= '00' then auth_code = '' end
  if used and not replayed then redis.call('SET', used, transaction) end
  if answer == '00' then move(account, 'available', 'held', amount, negative, '1') end
  redis.call('HSET', transaction, 'state', answer == '00' and 'held' or 'declined', 'fingerprint', fingerprint,
    'response_code', answer, 'auth_code', auth_code, 'amount', amount, 'currency', currency)
  return {answer, auth_code}
end

-- KEYS: account, transaction. ARGV: amount, the same with a minus, currency. Answers a response code.
function functions.issuer_release_hold(keys, args)
  local account, transaction = keys[1], keys[2]
  local amount, negative, currency = unpack(args)
  if not is_amount(amount, negative) then return redis.error_reply('ERR the amount is none') end

  local known = redis.call('HMGET', transaction, 'state', 'amount', 'currency')
  if known[2] and known[3] ~= currency then return '25' end
  if known[2] and known[2] ~= amount then return '64' end
  if known[1] == 'held' then
    local now = redis.call('HMGET', account, 'available', 'held', 'holds')
    if not (is_number(now[1]) and is_number(now[2]) and is_number(now[3])) then
      return redis.error_reply('ERR the account is damaged')
    end
    move(account, 'held', 'available', amount, negative, '-1')
  end
  redis.call('HSET', transaction, 'state', 'reversed')
  return '00'
end
