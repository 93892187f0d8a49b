"""What a service began and must not lose: written down before it is sent, crossed out when its answer is known.

A payment whose answer does not come is abandoned, and an abandoned payment is reversed until that is acknowledged.
Because an open entry becomes either "abandoned" or "answered" in one atomic step, nobody is told of an approval that is
then taken back by itself; an answered one is taken back only when its own caller asks for it.
"""

from importlib import resources
from typing import Any, NamedTuple

from cardnet.errors import InProgress, KeyReused, Unavailable
from cardnet.store import Store

LIBRARY = resources.files("cardnet").joinpath("journal.lua").read_text()
"""The journal's Lua functions; a service that keeps one gives them to its Store."""

ABANDONED_AFTER_S = 40.0
"""When an entry that nobody crossed out counts as abandoned: longer than any caller may wait."""

OFFERED_AGAIN_S = 2.0
"""When a reversal that was not acknowledged is due again."""

CLOCKS_DIFFER_S = 60.0
"""How far the clocks of a service's processes may be apart. What is due later than this allows is due now."""


class Begun(NamedTuple):
    """What the journal says to a beginning."""

    number: int
    """The entry's running number, from 1; unique in this journal."""
    answer: bytes | None
    """The answer given before, where this is a repeat."""
    abandoned: bool
    """Whether it was taken back before, so that it must not be done now."""


class Due(NamedTuple):
    """A payment to be reversed."""

    id: str
    number: int
    payload: bytes


class Journal:
    """The journal of one service, in its store."""

    def __init__(self, store: Store, owner: str) -> None:
        """owner: the service; its keys begin with its name."""
        self._store = store
        # One hash tag for all: in a cluster the journal lives on one node, because its steps are atomic.
        self._prefix = f"{owner}:{{journal}}:"

    async def begin(self, id_: str, fingerprint: bytes, payload: bytes, now_s: float) -> Begun:
        """Write a payment down before it is sent.

        fingerprint: what a repeat must share. payload: what its reversal will need. now_s: seconds since 1970.
        KeyReused if the id came with another fingerprint, InProgress if its answer is still awaited.
        """
        due = now_s + ABANDONED_AFTER_S
        state, number, answer = await self._call("begin", id_, fingerprint, payload, str(due))
        if state == b"reused":
            raise KeyReused("KEY_REUSED", "this key came before with another body; a new payment needs a new key")
        if state == b"open":
            raise InProgress("IN_PROGRESS", "the same payment is being made at this moment; ask again soon")
        return Begun(number, answer if state == b"answered" else None, state == b"abandoned")

    async def finish(self, id_: str, answer: bytes) -> None:
        """Keep the answer. Unavailable if the payment was abandoned meanwhile: its reversal is on the way."""
        if not await self._call("finish", id_, answer):
            raise Unavailable("ANSWER_TOO_LATE", "the answer came too late; whatever was held is being given back")

    async def abandon(self, id_: str, payload: bytes = b"") -> None:
        """Give a payment up: from now on it is to be reversed, and a late beginning is refused."""
        await self._call("abandon", id_, payload)

    async def forget(self, id_: str) -> None:
        """Remove an entry that certainly had no effect; its id is free again."""
        await self._call("forget", id_)

    async def take_due(self, now_s: float) -> list[Due]:
        """The payments to be reversed now, some 100 at most; each is offered again later until it is settled."""
        again, horizon = str(now_s + OFFERED_AGAIN_S), str(now_s + ABANDONED_AFTER_S + CLOCKS_DIFFER_S)
        found = await self._call("take_due", "", str(now_s), again, horizon, f"{self._prefix}entry:")
        return [Due(found[at].decode(), found[at + 1], found[at + 2]) for at in range(0, len(found), 3)]

    async def settle(self, id_: str) -> None:
        """Its reversal was acknowledged."""
        await self._call("settle", id_)

    async def _call(self, step: str, id_: str, *args: str | bytes) -> Any:
        keys = (f"{self._prefix}entry:{id_}", f"{self._prefix}pending", f"{self._prefix}number")
        return await self._store.call(f"journal_{step}", keys, (id_, *args))
