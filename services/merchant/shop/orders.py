"""The shop's orders, as their owners see them. What was paid stands in the service's journal; this is the receipt."""

import json
import re
import secrets
from dataclasses import asdict, dataclass, field
from importlib import resources
from typing import Literal

from cardnet.money import Currency, Money
from cardnet.store import Store
from services.merchant.shop.products import PRODUCTS, Product
from services.merchant.shop.visits import VISIT_S, Visit

LIBRARY = resources.files(__package__).joinpath("history.lua").read_text("utf-8")
"""The Lua function of this store."""

KEPT_S = 90 * 24 * 3600
"""How long an order is kept, in seconds."""

MOST_IN_HISTORY = 50

_ID = re.compile(r"[0-9a-f]{32}(-[1-9][0-9]{0,2})?")
"""What an order may be called. Nothing else gets into the name of a row: an address may hold anything."""

State = Literal["open", "approved", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order. `open` means that it was sent to be paid, and no answer has come."""

    id: str
    """The order's key: under this name it is paid, and so once at the most."""
    owner: str
    product: str
    amount_minor: int
    currency: str
    """Three letters."""
    placed: str
    """When, as ISO 8601 in UTC."""
    means: str
    """With what it was paid, in words."""
    state: State = "open"
    response_code: str = ""
    notice: str = ""
    auth_code: str = ""
    rrn: str = ""
    last_four: str = ""
    trace_id: str = ""
    card_on_file_id: str = ""
    """The card that pays a subscription's further months."""
    first: str = ""
    """The order by which the subscription began, where this is a further month of it."""
    months: int = 1
    """How many charges of a subscription were tried, the first included. One that was given back counts too: under its
    key nothing can be paid any more.
    """
    sent: str = field(default="", repr=False)
    """While it is open: the CheckoutRequest as it was sent, in base64. That one is repeated, whatever is typed later,
    for another would be another payment. It holds a token for this order alone, or a JWE to the shop's key, and no PAN.
    """

    @property
    def answered(self) -> bool:
        """Whether the network's answer is known."""
        return self.state != "open"

    @property
    def amount(self) -> Money:
        """What it costs."""
        return Money(self.amount_minor, Currency.named(self.currency))

    @property
    def renewable(self) -> bool:
        """Whether the shop may charge the next month of it."""
        return self.state == "approved" and bool(self.card_on_file_id) and PRODUCTS[self.product].monthly


class RedisOrders:
    """The orders, and the keys of those that are not placed yet."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def draft(self, visit: Visit, product: Product) -> str:
        """The key of the order that this visit would place: the same, however often its page is loaded, until the
        order is answered. So a page that is loaded again cannot pay twice.
        """
        place = _draft(visit, product.id)
        await self._store.command("SET", place, secrets.token_hex(16), "NX", "EX", VISIT_S)
        return str((await self._store.command("GET", place) or b"").decode())

    async def is_draft(self, visit: Visit, product: Product, key: str) -> bool:
        """Whether this key was made for this visit and product."""
        made = await self._store.command("GET", _draft(visit, product.id))
        return made is not None and secrets.compare_digest(made, key.encode())

    async def settle(self, visit: Visit, order: Order) -> None:
        """Have the next order of the product be another one."""
        if await self.is_draft(visit, PRODUCTS[order.product], order.id):
            await self._store.command("DEL", _draft(visit, order.product))

    async def find(self, id_: str) -> Order | None:
        """The order of this name, or None."""
        row = await self._store.command("GET", _key(id_)) if _ID.fullmatch(id_) else None
        return Order(**json.loads(row)) if row else None

    async def begin(self, order: Order) -> Order | None:
        """Write down an order that is about to be sent, unless one stands under its name: that one, or None.

        So of two pages with different cards one card is sent, and no answer is overwritten by a later question.
        """
        written = await self._store.command("SET", _key(order.id), _row(order), "NX", "EX", KEPT_S)
        await self._remember(order)
        return None if written else await self.find(order.id)

    async def keep(self, order: Order) -> None:
        """Write an order down, and among its owner's."""
        await self._store.command("SET", _key(order.id), _row(order), "EX", KEPT_S)
        await self._remember(order)

    async def _remember(self, order: Order) -> None:
        await self._store.call("shop_remember", [_history(order.owner)], [order.id, MOST_IN_HISTORY, KEPT_S])

    async def forget(self, order: Order) -> None:
        """Drop an order with which nothing was done."""
        await self._store.command("DEL", _key(order.id))

    async def of(self, visit: Visit) -> list[Order]:
        """The orders that may be seen here, newest first."""
        names: list[str] = []
        for owner in dict.fromkeys((visit.owner, visit.guest)):
            names += reversed((await self._store.command("GET", _history(owner)) or b"").decode().split())
        found = [await self.find(name) for name in names]
        return sorted((order for order in found if order), key=lambda order: order.placed, reverse=True)


def _row(order: Order) -> str:
    return json.dumps(asdict(order))


def _key(id_: str) -> str:
    return f"merchant:shop:order:{id_}"


def _draft(visit: Visit, product: str) -> str:
    return f"merchant:shop:draft:{visit.guest}:{product}"


def _history(owner: str) -> str:
    return f"merchant:shop:history:{owner}"
