-- What requestors are told: one list for each, and beside it how far each token has got, so that no change stands there
-- twice. Every function looks first and writes last. Requestors may see all of this.

-- KEYS: the requestor's list, its marks. ARGV: a token's reference, the version after the change, the notification.
-- Adds it, unless this version or a later one of the token stands there already. Answers its position, or 0.
function functions.tsp_notify(keys, args)
  local last = tonumber(redis.call('HGET', keys[2], args[1]) or '-1')
  if tonumber(args[2]) <= last then return 0 end
  local position = redis.call('RPUSH', keys[1], args[3])
  redis.call('HSET', keys[2], args[1], args[2])
  return position
end
