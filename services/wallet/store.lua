-- One wallet is one text: a list of cards as JSON. Changes go through here, so that two at once are both kept.

local function kept_cards(key)
  local kept = redis.call('GET', key)
  return kept and cjson.decode(kept)
end

local function keep(key, cards, seconds)
  redis.call('SET', key, #cards == 0 and '[]' or cjson.encode(cards), 'EX', seconds)
  return 1
end

-- KEYS: the wallet. ARGV: the card as JSON, for how many seconds the wallet is kept, the most cards that it holds.
-- A card that is there already is replaced. Answers 1; 0 where there is no such wallet; -1 where it is full.
function functions.wallet_put_card(keys, args)
  local cards = kept_cards(keys[1])
  if not cards then return 0 end
  local card = cjson.decode(args[1])
  for place, other in ipairs(cards) do
    if other.id == card.id then
      cards[place] = card
      return keep(keys[1], cards, args[2])
    end
  end
  if #cards >= tonumber(args[3]) then return -1 end
  cards[#cards + 1] = card
  return keep(keys[1], cards, args[2])
end

-- KEYS: the wallet. ARGV: for how many seconds it is kept from now on. Answers 1; 0 where there is no such wallet.
function functions.wallet_keep(keys, args)
  local kept = redis.call('GET', keys[1])
  if not kept then return 0 end
  redis.call('SET', keys[1], kept, 'EX', args[1])
  return 1
end

-- KEYS: the wallet. ARGV: the card's id, for how many seconds the wallet is kept.
-- Answers 1, also where the card was not there; 0 where there is no such wallet.
function functions.wallet_remove_card(keys, args)
  local cards = kept_cards(keys[1])
  if not cards then return 0 end
  local left = {}
  for _, card in ipairs(cards) do
    if card.id ~= args[1] then left[#left + 1] = card end
  end
  return keep(keys[1], left, args[2])
end
