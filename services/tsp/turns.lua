-- Turns: what only one process does at a time. KEYS[1]: the turn, which holds its holder's name.

-- ARGV: who wants it, who may lose it ('' for nobody). Answers 1 where it is theirs now, or was.
function functions.tsp_take_turn(keys, args)
  local holder = redis.call('GET', keys[1]) or ''
  if holder ~= '' and holder ~= args[1] and holder ~= args[2] then return 0 end
  redis.call('SET', keys[1], args[1])
  return 1
end

-- ARGV: who ends it.
function functions.tsp_end_turn(keys, args)
  if redis.call('GET', keys[1]) == args[1] then redis.call('DEL', keys[1]) end
end

-- KEYS: and a place for a number. ARGV: who notes it, the number. Answers 1, or 0 where the turn is another's by now.
function functions.tsp_note_in_turn(keys, args)
  if redis.call('GET', keys[1]) ~= args[1] then return 0 end
  redis.call('SET', keys[2], args[2])
  return 1
end
