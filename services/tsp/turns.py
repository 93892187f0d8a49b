"""What only one of the processes that serve a vault does at a time.

    tsp:{keyring}:busy          who rotates keys, or copies the vault
    tsp:{notify:<TRID>}:poster  who posts a requestor's notifications

A turn is its holder's until the holder ends it or is gone (services/tsp/instances.py). Whoever stood still for so long
that others took it for gone finds that the turn is another's, and stops.
"""

from importlib import resources
from typing import Protocol

from cardnet.store import Store

LIBRARY = resources.files("services.tsp").joinpath("turns.lua").read_text()

ALL_KEYS = "tsp:{keyring}:busy"
_POSTER = "}:poster"


def posting(token_requestor_id: str) -> str:
    """The turn to post a requestor's notifications."""
    return f"tsp:{{notify:{token_requestor_id}{_POSTER}"


def is_turn(key: str) -> bool:
    """Whether a key of the store is a turn: it belongs to the processes that run, and not to the vault."""
    return key == ALL_KEYS or (key.startswith("tsp:{notify:") and key.endswith(_POSTER))


class Present(Protocol):
    """Who is there."""

    @property
    def name(self) -> str:
        """This process."""
        ...

    async def there(self, name: str) -> bool:
        """Whether that one is there, as far as is known now."""
        ...

    async def stays(self, name: str) -> bool:
        """Whether that one is there: wait until it is known."""
        ...


class Turns:
    """This process's turns. Every coroutine raises Unavailable when the store does."""

    def __init__(self, store: Store, present: Present) -> None:
        self._store = store
        self._present = present

    async def take(self, turn: str, *, patiently: bool = False) -> bool:
        """Take a turn that is nobody's, or of one who is gone. Whether it is ours now.

        patiently: wait until it is known whether its holder is gone; else that may take another look, a while later.
        """
        holder = await self._holder(turn)
        if not holder or holder == self._present.name:
            return await self._replace(turn, "")
        there = await (self._present.stays(holder) if patiently else self._present.there(holder))
        return not there and await self._replace(turn, holder)

    async def seize(self, turn: str) -> None:
        """Take a turn, whosever it is: they stop when they find out."""
        while not await self._replace(turn, await self._holder(turn)):
            pass

    async def ours(self, turn: str) -> bool:
        """Whether a turn is still ours."""
        return await self._holder(turn) == self._present.name

    async def end(self, turn: str) -> None:
        """Leave a turn to others, if it is ours."""
        await self._store.call("tsp_end_turn", [turn], [self._present.name])

    async def note(self, turn: str, place: str, number: int) -> bool:
        """Note a number at a key beside the turn, if the turn is still ours. Whether it is."""
        return bool(await self._store.call("tsp_note_in_turn", [turn, place], [self._present.name, number]))

    async def _holder(self, turn: str) -> str:
        return bytes(await self._store.command("GET", turn) or b"").decode()

    async def _replace(self, turn: str, holder: str) -> bool:
        return bool(await self._store.call("tsp_take_turn", [turn], [self._present.name, holder]))
