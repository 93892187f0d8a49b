"""Who is at the shop: sessions, by a random name in a cookie and a row in the store that can be ended."""

import json
import re
import secrets
from dataclasses import dataclass
from hashlib import sha256

from cardnet.store import Store
from services.merchant.shop.customers import CUSTOMERS, Customer

COOKIE = "cardnet-shop"
"""The cookie's name. Cookies are shared by all ports of a host, so it says whose it is."""

VISIT_S = 12 * 3600
"""How long a visit lasts, in seconds."""


_ID = re.compile(r"[A-Za-z0-9_-]{32}")


@dataclass(frozen=True, slots=True)
class Visit:
    """One browser at the shop."""

    id: str
    """What the cookie holds."""
    guest: str
    """The browser's own name, before and after it signs in."""
    customer: Customer | None = None
    """Who signed in."""

    @property
    def owner(self) -> str:
        """To whom an order belongs that is placed now."""
        return self.customer.id if self.customer else self.guest

    def owns(self, owner: str) -> bool:
        """Whether what belongs to that owner may be seen here."""
        return owner in (self.guest, self.owner)


class RedisVisits:
    """The visits that last. The store knows the digests of their names alone: reading it gives no visit away."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, id_: str) -> Visit | None:
        """The visit of a cookie, or None."""
        row = await self._store.command("GET", _key(id_)) if _ID.fullmatch(id_) else None
        if row is None:
            return None
        kept = json.loads(row)
        return Visit(id_, kept["guest"], CUSTOMERS.get(kept["customer"]))

    async def begin(self, customer: Customer | None = None, before: Visit | None = None) -> Visit:
        """A new visit. before: the one that it follows, which ends: who signs in takes another name (no fixation)."""
        guest = before.guest if before else f"guest-{secrets.token_hex(12)}"
        visit = Visit(secrets.token_urlsafe(24), guest, customer)
        row = json.dumps({"guest": guest, "customer": customer.id if customer else ""})
        await self._store.command("SET", _key(visit.id), row, "EX", VISIT_S)
        if before:
            await self.end(before)
        return visit

    async def end(self, visit: Visit) -> None:
        """Forget a visit."""
        await self._store.command("DEL", _key(visit.id))


def _key(id_: str) -> str:
    return f"merchant:shop:visit:{sha256(id_.encode()).hexdigest()}"
