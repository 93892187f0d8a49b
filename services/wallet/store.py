"""The wallets in Redis: one for each session, and in it what is kept of the cards. No card number, no token's number.

    wallet:{<digest of the session>}  -> the cards, as JSON; forgotten after UNUSED_S, or KEPT_S once used

The digest, because who can read a store must not be able to go on with somebody's session.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib import resources

from cardnet.errors import Fault, NotFound
from cardnet.store import Store
from services.wallet.domain import MOST_CARDS, Card

LIBRARY = resources.files("services.wallet").joinpath("store.lua").read_text("utf-8")

KEPT_S = 30 * 24 * 3600
"""How long a wallet is kept after a card was last added, removed or paid with, in seconds."""

UNUSED_S = 3600
"""How long a new wallet waits for the first of these, in seconds: who merely opens pages fills no store for long."""


class RedisWallets:
    """All wallets. Every coroutine raises Unavailable when the store does not answer."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def open(self, session: str, cards: Sequence[Card]) -> None:
        """Keep a new wallet, for a short time until it is used."""
        await self._store.command("SET", _key(session), json.dumps([asdict(card) for card in cards]), "EX", UNUSED_S)

    async def paid_with(self, session: str) -> None:
        """Keep a wallet for longer, for it is used. One that was forgotten meanwhile stays forgotten."""
        await self._store.call("wallet_keep", [_key(session)], [KEPT_S])

    async def cards(self, session: str) -> tuple[Card, ...] | None:
        """The cards of a wallet, in the order in which they came; None where there is no such wallet."""
        kept: bytes | None = await self._store.command("GET", _key(session))
        return None if kept is None else tuple(Card(**card) for card in json.loads(kept))

    async def put(self, session: str, card: Card) -> None:
        """Keep a card; one of the same id is replaced. NotFound without a wallet, and a Fault where it is full."""
        args = (json.dumps(asdict(card)), KEPT_S, MOST_CARDS)
        kept = await self._store.call("wallet_put_card", [_key(session)], args)
        if kept == -1:
            raise Fault("WALLET_FULL", f"a wallet holds {MOST_CARDS} cards: remove one first")
        _found(kept)

    async def remove(self, session: str, id_: str) -> None:
        """Forget a card; one that is not there is forgotten already. NotFound without a wallet."""
        _found(await self._store.call("wallet_remove_card", [_key(session)], [id_, KEPT_S]))


def no_wallet() -> NotFound:
    """There is no wallet in this browser, or it was forgotten."""
    return NotFound("NO_WALLET", "this browser has no wallet yet: open the wallet's page first")


def _found(kept: int) -> None:
    if kept == 0:
        raise no_wallet()


def _key(session: str) -> str:
    return f"wallet:{{{hashlib.sha256(session.encode()).hexdigest()[:32]}}}"
