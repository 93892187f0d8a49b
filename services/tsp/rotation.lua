-- Rotation: a record or an entry of the history comes under another key if it is still as it was when it was read.

-- KEYS: record. ARGV: the version and key number that it must have; then key number, facts, sealed, salt.
-- Answers 1, or 0.
function functions.tsp_reseal_record(keys, args)
  local now = redis.call('HMGET', keys[1], 'version', 'key')
  if now[1] ~= args[1] or now[2] ~= args[2] then return 0 end
  redis.call('HSET', keys[1], 'key', args[3], 'facts', args[4], 'sealed', args[5], 'salt', args[6])
  return 1
end

-- KEYS: a hash. ARGV: field, the value that it must have, the new value; any number of such threes.
-- Answers how many were replaced.
function functions.tsp_replace_fields(keys, args)
  local replaced = 0
  for i = 1, #args, 3 do
    if redis.call('HGET', keys[1], args[i]) == args[i + 1] then
      redis.call('HSET', keys[1], args[i], args[i + 2])
      replaced = replaced + 1
    end
  end
  return replaced
end

-- KEYS: a hash. ARGV: how many fields there are to enter, each with its value, where they are missing; then fields to
-- take away, each with the value that it must have.
function functions.tsp_follow_fields(keys, args)
  local last = 1 + 2 * tonumber(args[1])
  for i = 2, last, 2 do
    if redis.call('HEXISTS', keys[1], args[i]) == 0 then redis.call('HSET', keys[1], args[i], args[i + 1]) end
  end
  for i = last + 1, #args, 2 do
    if redis.call('HGET', keys[1], args[i]) == args[i + 1] then redis.call('HDEL', keys[1], args[i]) end
  end
end
