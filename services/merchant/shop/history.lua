-- The orders of one owner, newest last, one name a line. The row is written whole, so that it ends with its time.

-- KEYS: the history. ARGV: the order's name, how many to keep, for how many seconds.
function functions.shop_remember(keys, args)
    local kept = {}
    for name in string.gmatch(redis.call('GET', keys[1]) or '', '[^\n]+') do
        if name ~= args[1] then table.insert(kept, name) end
    end
    table.insert(kept, args[1])
    local first = math.max(1, #kept - tonumber(args[2]) + 1)
    redis.call('SET', keys[1], table.concat(kept, '\n', first), 'EX', args[3])
    return #kept
end
