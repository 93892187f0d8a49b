"""What a service began and must not lose: written down before it is sent, crossed out when its answer is known.

A payment whose answer does not come is abandoned, and an abandoned payment is reversed until that is acknowledged.
Because an open entry becomes either "abandoned" or "answered" in one atomic step, nobody is told of an approval that is
then taken back by itself; an answered one is taken back only when its own caller asks for it.

Several instances keep one journal. A call whose connection broke is asked again of another instance, which takes the
entry up: from then on it is that instance's alone (docs/decisions/0003).
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
    payload: bytes
    """What was written down first. Whoever takes an entry up goes on with that."""
    run: int
    """1 for whoever began it, one more each time it is taken up. The last run alone is listened to."""

    @property
    def taken_up(self) -> bool:
        """Whether another instance had begun it, and may still be at it."""
        return self.run > 1


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

    async def begin(
        self, id_: str, fingerprint: bytes, payload: bytes, now_s: float, *, body: bytes = b"", again: bool = False
    ) -> Begun:
        """Write a payment down before it is sent, or take it up where it is asked again and has no answer yet.

        fingerprint: what a repeat must share. payload: what its reversal will need. now_s: seconds since 1970.
        body: what it must share besides, to be taken up. again: `Call.again`.
        KeyReused if the id came with another fingerprint, InProgress if its answer is still awaited.
        """
        due = now_s + ABANDONED_AFTER_S
        args = (fingerprint, payload, str(due), body, "1" if again else "")
        state, number, answer, written, run = await self._call("begin", id_, *args)
        if state == b"reused":
            raise KeyReused("KEY_REUSED", "this key came before with another body; a new payment needs a new key")
        if state == b"open":
            raise InProgress("IN_PROGRESS", "the same payment is being made at this moment; ask again soon")
        return Begun(number, answer if state == b"answered" else None, state == b"abandoned", written, run)

    async def finish(self, id_: str, answer: bytes, run: int) -> bytes:
        """Keep the answer, and give it: the one that was kept before, if there is one.

        Unavailable if the payment was abandoned meanwhile, for then its reversal is on the way; or if another instance
        has taken it up, for then that one answers.
        """
        state, kept = await self._call("finish", id_, answer, str(run))
        if state == b"answered":
            return bytes(kept)
        if state == b"open":
            raise Unavailable("TAKEN_UP", "another instance has taken this payment up, and answers it")
        raise Unavailable("ANSWER_TOO_LATE", "the answer came too late; whatever was held is being given back")

    async def abandon(self, id_: str) -> None:
        """Take a payment back, even an answered one: it is to be reversed, and a late beginning is refused."""
        await self._call("abandon", id_, b"")

    async def give_up(self, id_: str, run: int, payload: bytes = b"") -> bytes | None:
        """Give up what this run does not know the outcome of: from now on it is to be reversed.

        Nothing happens where another instance has taken it up, or has answered: then that answer comes back.
        payload: as for `begin`, of what never began here.
        """
        kept: bytes | None = await self._call("give_up", id_, str(run), payload)
        return kept

    async def forget(self, id_: str, run: int) -> None:
        """Remove an entry of which this run knows that it had no effect; its id is free again.

        Where there was another run as well, it is to be reversed: nobody knows what that one brought about.
        """
        await self._call("forget", id_, str(run))

    async def keep(self, id_: str, answer: bytes) -> bytes | None:
        """Keep the answer of what never began here. The one that is kept, or None where it was given up."""
        kept: bytes | None = await self._call("keep", id_, answer)
        return kept

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
