-- Cards from browsers. A row is one string: 32 characters that say what it was used up for (or UNUSED), 32 for the
-- reference of the token that was issued for it then (or UNUSED), and the card, sealed. KEEPTTL: it goes when it was to.

local UNUSED = string.rep('-', 32)

-- KEYS: a row. ARGV: what it is to be used up for. Answers what it is used up for from now on, and the reference of the
-- token that was issued for that; nothing where there is no such row any more.
function functions.tsp_use_up(keys, args)
  local row = redis.call('GET', keys[1])
  if not row then return false end
  local used_for, reference = row:sub(1, 32), row:sub(33, 64)
  if used_for == UNUSED then
    used_for = args[1]
    redis.call('SET', keys[1], used_for .. row:sub(33), 'KEEPTTL')
  end
  return {used_for, reference == UNUSED and '' or reference}
end

-- KEYS: a row. ARGV: the reference of a token that was issued for it. Answers the reference that is noted then: the
-- first one's, where two were issued at the same time.
function functions.tsp_note_issued(keys, args)
  local row = redis.call('GET', keys[1])
  if not row then return args[1] end
  local reference = row:sub(33, 64)
  if reference ~= UNUSED then return reference end
  redis.call('SET', keys[1], row:sub(1, 32) .. args[1] .. row:sub(65), 'KEEPTTL')
  return args[1]
end
