-- One-time passcodes, each under the step-up that waits for it: digest, sealed, expires_s, tries_left.

-- A count or a time as it may be reckoned with. tonumber takes "nan", "1e2" and "0x10" as well.
local function is_whole(text)
  return type(text) == 'string' and #text <= 12 and text:match('^%d+$') ~= nil
end

-- KEYS: the step-up. ARGV: the digest of what was typed, the time now in seconds.
-- Answers {outcome, tries left}; an empty outcome where no passcode is waited for. Looking and counting are one step, so
-- that many who guess at once have no more tries than one who guesses.
function functions.issuer_try_passcode(keys, args)
  local step_up, typed, now = keys[1], args[1], args[2]
  local known = redis.call('HMGET', step_up, 'digest', 'tries_left', 'expires_s')
  if not known[1] then return {'', '0'} end
  if not (is_whole(known[2]) and is_whole(known[3]) and is_whole(now)) then
    return redis.error_reply('ERR the passcode is damaged')
  end

  if tonumber(known[2]) == 0 then return {'NO_TRIES_LEFT', '0'} end
  if tonumber(now) >= tonumber(known[3]) then return {'EXPIRED', '0'} end
  if typed == known[1] then
    redis.call('DEL', step_up)
    return {'RIGHT', '0'}
  end
  local left = redis.call('HINCRBY', step_up, 'tries_left', '-1')
  return {left == 0 and 'NO_TRIES_LEFT' or 'WRONG', tostring(left)}
end
