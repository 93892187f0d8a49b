-- The keyring: one value, which changes as a whole or not at all.

-- KEYS: the keyring. ARGV: what it must hold ('' for nothing yet), what it is to hold. Answers what it holds now.
function functions.tsp_replace_keyring(keys, args)
  local held = redis.call('GET', keys[1]) or ''
  if held ~= args[1] then return held end
  redis.call('SET', keys[1], args[2])
  return args[2]
end
