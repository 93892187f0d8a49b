"""Which cards a customer has on file, as their owner is shown them. The tokens are the service's affair."""

import json
from dataclasses import dataclass

from cardnet.store import Store
from services.merchant.shop.customers import Customer


@dataclass(frozen=True, slots=True)
class KnownCard:
    """A card on file, by what may be shown of it."""

    id: str
    """The service's name for it."""
    last_four: str
    brand: str


class RedisKnownCards:
    """The customers' lists."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def of(self, customer: Customer | None) -> list[KnownCard]:
        """A customer's cards; a guest has none."""
        if customer is None:
            return []
        rows: dict[bytes, bytes] = await self._store.command("HGETALL", _key(customer))
        return [KnownCard(id_.decode(), *json.loads(row)) for id_, row in sorted(rows.items())]

    async def add(self, customer: Customer, card: KnownCard) -> None:
        """Put a card on a customer's list; twice is once."""
        await self._store.command("HSET", _key(customer), card.id, json.dumps([card.last_four, card.brand]))


def _key(customer: Customer) -> str:
    return f"merchant:shop:cards:{customer.id}"
