"""What the shop keeps in Redis: its cards on file, and which details of wallets' have paid, beside its journal."""

import json
from hashlib import sha256

from cardnet import journal
from cardnet.card import Expiry, PaymentToken
from cardnet.store import Store
from services.merchant.domain import CardOnFile, Usage

LIBRARIES = (journal.LIBRARY,)
"""The Lua functions of this store. A card on file is a plain hash: writing it twice is writing it once."""

USED_FOR_S = 3 * 86_400
"""How long details are remembered as used, in seconds. The cryptogram in them is good for two days at the most,
whatever its token service provider's window."""

STAGED_S = 86_400
"""How long a card waits for its order to be finished, in seconds: longer than anybody asks again."""


class RedisCardsOnFile:
    """The cards on file. Tokens stand here because they may: outside this shop's domain they are worth nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def save(self, id_: str, card: CardOnFile) -> None:
        """Keep a card; one that is there already is brought up to date."""
        await self._write(id_, _fields(card))

    async def find(self, id_: str) -> CardOnFile | None:
        """The card of this name, or None."""
        found: dict[bytes, bytes] = await self._store.command("HGETALL", _key(id_))
        if not found:
            return None
        kept = {name.decode(): value.decode() for name, value in found.items()}
        return CardOnFile(
            token=PaymentToken(kept["token"]),
            token_expiry=Expiry.parse(kept["token_expiry"]),
            token_requestor_id=kept["token_requestor_id"],
            token_reference_id=kept["token_reference_id"],
            par=kept["par"],
            pan_last_four=kept["pan_last_four"],
            entry_modes=frozenset(int(mode) for mode in kept["entry_modes"].split(",") if mode),
            # What was kept before there were others has neither of these.
            usage=Usage(int(kept.get("usage", Usage.CARD_ON_FILE))),
            agreement_rrn=kept.get("agreement_rrn", ""),
        )

    async def stage(self, order: str, id_: str, card: CardOnFile) -> None:
        """Write a card down beside its order, to be kept when that is finished. It is not on file yet."""
        staged = json.dumps([id_, _fields(card)])
        await self._store.command("SET", _staged(order), staged, "EX", STAGED_S)

    async def keep_staged(self, order: str) -> None:
        """Put on file what waits for this order; nothing, where it was done before."""
        staged: bytes | None = await self._store.command("GET", _staged(order))
        if staged:
            await self._write(*json.loads(staged))
            await self._store.command("DEL", _staged(order))

    async def _write(self, id_: str, fields: dict[str, str]) -> None:
        await self._store.command("HSET", _key(id_), *(part for field in fields.items() for part in field))


class RedisUsedDetails:
    """Which card details of wallets' were used, and for which order: so that they pay once, at every instance."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def claim(self, kind: str, details: str, order: str) -> bool:
        """Use details up for an order. False if they were used for another.

        kind, details: what they are known by; a digest of it stands in the store.
        """
        key = f"merchant:{{used:{kind}:{sha256(details.encode()).hexdigest()}}}"
        if await self._store.command("SET", key, order, "NX", "EX", USED_FOR_S):
            return True
        holder: bytes | None = await self._store.command("GET", key)
        return holder == order.encode()


def _fields(card: CardOnFile) -> dict[str, str]:
    return {
        "token": card.token.reveal(),
        "token_expiry": str(card.token_expiry),
        "token_requestor_id": card.token_requestor_id,
        "token_reference_id": card.token_reference_id,
        "par": card.par,
        "pan_last_four": card.pan_last_four,
        "entry_modes": ",".join(map(str, sorted(card.entry_modes))),
        "usage": str(int(card.usage)),
        "agreement_rrn": card.agreement_rrn,
    }


def _key(id_: str) -> str:
    return f"merchant:{{card:{id_}}}"


def _staged(order: str) -> str:
    return f"merchant:{{staged:{order}}}"
