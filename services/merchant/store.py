"""What the shop keeps in Redis: its cards on file, beside the journal of its purchases."""

from cardnet import journal
from cardnet.card import Expiry, PaymentToken
from cardnet.store import Store
from services.merchant.domain import CardOnFile

LIBRARIES = (journal.LIBRARY,)
"""The Lua functions of this store. A card on file is a plain hash: writing it twice is writing it once."""


class RedisCardsOnFile:
    """The cards on file. Tokens stand here because they may: outside this shop's domain they are worth nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def save(self, id_: str, card: CardOnFile) -> None:
        """Keep a card; one that is there already is brought up to date."""
        fields = {
            "token": card.token.reveal(),
            "token_expiry": str(card.token_expiry),
            "token_requestor_id": card.token_requestor_id,
            "token_reference_id": card.token_reference_id,
            "par": card.par,
            "pan_last_four": card.pan_last_four,
            "entry_modes": ",".join(map(str, sorted(card.entry_modes))),
        }
        await self._store.command("HSET", _key(id_), *(part for field in fields.items() for part in field))

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
        )


def _key(id_: str) -> str:
    return f"merchant:{{card:{id_}}}"
