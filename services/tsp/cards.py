"""What the vault knows of a card: its Payment Account Reference, and which tokens stand for it.

    tsp:{card}:card   par -> the reference; <TRID> -> the requestor's token; ref:<token reference> -> every token ever

{card} is a keyed HMAC of the PAN; while its key is being changed a card has two names, and entries stand under both.
"""

from cardnet.card import Pan
from cardnet.env import Rng
from cardnet.store import Store
from services.tsp.keys import KeySet
from services.tsp.using import while_using_keys

_REFERENCE = "ref:"


class Cards:
    """The cards' side of the vault. Every method raises Unavailable when the store does not answer."""

    def __init__(self, store: Store, keys: KeySet, rng: Rng) -> None:
        self._store = store
        self._keys = keys
        self._rng = rng

    @while_using_keys
    async def par_of(self, pan: Pan) -> str:
        """The card's Payment Account Reference, drawn when it is first asked for."""
        known = await self.known_par(pan)
        return await self._claim(pan, "par", "", known or f"SIMX{self._rng.letters(25)}")

    @while_using_keys
    async def known_par(self, pan: Pan) -> str:
        """The card's Payment Account Reference; empty where it has none."""
        return await self._first(pan, "par")

    @while_using_keys
    async def token_of(self, pan: Pan, token_requestor_id: str) -> str:
        """The reference of the token that this requestor has for this card; empty where it has none."""
        return await self._first(pan, token_requestor_id)

    @while_using_keys
    async def claim(self, pan: Pan, token_requestor_id: str, held: str, reference: str) -> str:
        """Enter a requestor's token in the place of `held` ("" for none). Answers whose place it is then."""
        winner = await self._claim(pan, token_requestor_id, held, reference)
        if winner == reference:
            for name in self._new_names(pan):
                await self._store.command("HSET", name, f"{_REFERENCE}{reference}", "")
        return winner

    @while_using_keys
    async def references_of(self, pan: Pan) -> list[str]:
        """The references of every token that ever stood for this card, deleted ones included."""
        found: set[str] = set()
        for name in self._names(pan):
            fields = await self._store.command("HGETALL", name)
            found |= {_text(field).removeprefix(_REFERENCE) for field in fields if field.startswith(b"ref:")}
        return sorted(found)

    @while_using_keys
    async def tokens_of(self, pan: Pan) -> dict[str, str]:
        """The token that each requestor has for this card now, by its identifier."""
        found: dict[str, str] = {}
        for name in self._names(pan):
            fields = await self._store.command("HGETALL", name)
            found |= {_text(field): _text(value) for field, value in fields.items() if field.isdigit()}
        return found

    @while_using_keys
    async def succeed(self, pan: Pan, successor: Pan) -> bool:
        """Let another card take this one's place: its reference, and what stands for it, are the other's from now on.

        False where the other has tokens of its own, and so another reference. A repeat ends what was begun.
        """
        par = await self.known_par(pan)
        if await self._claim(successor, "par", "", par) != par:
            return False
        fields = [f"{_REFERENCE}{reference}" for reference in await self.references_of(pan)]
        parts = [part for field in fields for part in (field, "")]
        parts += [part for token in (await self.tokens_of(pan)).items() for part in token]
        for name in self._new_names(successor):
            await self._store.command("HSET", name, *parts)
        await self.retire(pan)
        return True

    @while_using_keys
    async def retire(self, pan: Pan) -> None:
        """Take the tokens that requestors have for this card away from it; what ever stood for it stays known."""
        for name in self._names(pan):
            for token_requestor_id in await self.tokens_of(pan):
                await self._store.command("HDEL", name, token_requestor_id)

    async def _first(self, pan: Pan, field: str) -> str:
        for name in self._names(pan):
            value: bytes | None = await self._store.command("HGET", name, field)
            if value:
                return _text(value)
        return ""

    async def _claim(self, pan: Pan, field: str, held: str, value: str) -> str:
        """Claim a field under the card's names, one after the other, each for who won the one before."""
        for name in self._new_names(pan):
            winner: bytes = await self._store.call("tsp_claim", [name], [field, held, value])
            value = _text(winner)
        return value

    def _new_names(self, pan: Pan) -> list[str]:
        """The names under which something new is entered: what is merely for reading gets nothing any more."""
        return [f"tsp:{{{name}}}:card" for name in self._keys.new_names_of_pan(pan)]

    def _names(self, pan: Pan) -> list[str]:
        return [f"tsp:{{{name}}}:card" for name in self._keys.names_of_pan(pan)]


def _text(value: bytes) -> str:
    """What the store holds, as text. What somebody altered need not be any: then it names nothing that there is."""
    return value.decode(errors="replace")
