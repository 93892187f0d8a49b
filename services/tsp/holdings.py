"""What stands in the store under keys, and how it is brought under others while it is in use.

Everything here can be done again: whoever is stopped in between leaves nothing that the next one does not finish.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from functools import partial
from importlib import resources
from typing import TypeVar

from cardnet.card import Pan
from cardnet.store import Store
from services.tsp import history
from services.tsp.keyring import Purpose
from services.tsp.keys import KeySet
from services.tsp.sealing import Entry, Row, seal, unseal

LIBRARY = resources.files("services.tsp").joinpath("rotation.lua").read_text()

T = TypeVar("T")

RECORDS, HISTORIES, CARDS = "tsp:{*}:record", "tsp:{*}:history", "tsp:{*}:card"

AT_ONCE = 64
"""So many are brought over at a time: authorisations wait behind no more than that."""

_HELD = {Purpose.DATA: RECORDS, Purpose.HISTORY: HISTORIES, Purpose.TOKEN_INDEX: RECORDS, Purpose.PAN_INDEX: CARDS}


class Holdings:
    """The store's side of a rotation. Every method raises Unavailable when the store does not answer."""

    def __init__(self, store: Store, keys: KeySet) -> None:
        self._store = store
        self._keys = keys
        self._nameless: set[str] = set()

    async def count(self, purpose: Purpose) -> int:
        """How many things stand under the keys of a purpose, as far as a look can tell."""
        if purpose not in _HELD:
            return 0
        found = sum([len(names) async for names in self._store.names(_HELD[purpose])])
        return 2 * found if purpose in (Purpose.TOKEN_INDEX, Purpose.PAN_INDEX) else found  # entered there, gone here

    async def any(self, pattern: str) -> bool:
        """Whether the store has something of this pattern."""
        async for _ in self._store.names(pattern):
            return True
        return False

    async def enter(self, purpose: Purpose) -> AsyncIterator[int]:
        """Enter everything under the names that the prepared key gives, too. Gives how many at a time."""
        if purpose is Purpose.TOKEN_INDEX:
            async for moved in self._each(RECORDS, self._enter_token):
                yield moved
        elif purpose is Purpose.PAN_INDEX:
            async for moved in self._each(CARDS, self._enter_card):
                yield moved

    async def leave(self, purpose: Purpose) -> AsyncIterator[int]:
        """Take everything away from under the keys that are for reading. Gives how many at a time."""
        if purpose in _SEALED:
            pattern, move = _SEALED[purpose]
            moved = 1
            while moved:  # until a whole search finds nothing
                moved = 0
                async for count in self._each(pattern, partial(move, self)):
                    moved += count
                    if count:
                        yield count
        elif purpose is Purpose.TOKEN_INDEX:
            async for count in self._each(RECORDS, self._leave_token):
                yield count
        elif purpose is Purpose.PAN_INDEX:
            self._nameless.clear()
            async for count in self._each(CARDS, self._leave_card):
                yield count

    async def remains(self, purpose: Purpose) -> bool:
        """Whether something cannot be taken away from under the old key.

        That is a card whose tokens are all deleted and were never used: nobody knows its PAN any more, and yet its
        Payment Account Reference is to be found should it come back.
        """
        return purpose is Purpose.PAN_INDEX and bool(self._nameless)

    async def reseal_record(self, reference: str) -> int:
        """Bring a record under the present data key. 1 if it was under another one."""
        row = await self._row(reference)
        if row is None or row.key == str(self._keys.keyring.primary(Purpose.DATA).number).encode():
            return 0
        fresh = seal(self._keys, unseal(self._keys, reference, row))
        args = [row.version, row.key, fresh.key, fresh.facts, fresh.sealed, fresh.salt]
        await self._store.call("tsp_reseal_record", [f"tsp:{{{reference}}}:record"], args)
        return 1

    async def reseal_history(self, reference: str) -> int:
        """Bring a token's history under the present key. How many entries were under another one."""
        name = f"tsp:{{{reference}}}:history"
        number = self._keys.keyring.primary(Purpose.HISTORY).number
        entries: dict[bytes, bytes] = await self._store.command("HGETALL", name)
        moved = 0
        old = [(f, e) for f, e in entries.items() if history.is_transaction(f) and history.key_of(e) != number]
        for some in _slices(old):
            args = [
                part
                for field, entry in some
                for part in (field, entry, history.resealed(self._keys, reference, field.decode(), entry))
            ]
            moved += len(some)
            await self._store.call("tsp_replace_fields", [name], args)
        return moved

    async def _enter_token(self, reference: str) -> int:
        entry = await self._entry(reference)
        if entry is None:
            return 0
        for name in self._keys.new_names_of_token(entry.token):
            await self._store.command("SETNX", f"tsp:{{{name}}}:index", reference)
        return 1

    async def _leave_token(self, reference: str) -> int:
        entry = await self._entry(reference)
        if entry is None:
            return 0
        name, *others = self._keys.names_of_token(entry.token)
        await self._store.command("SETNX", f"tsp:{{{name}}}:index", reference)
        gone = [await self._store.command("DEL", f"tsp:{{{other}}}:index") for other in others]
        return int(any(gone))

    async def _enter_card(self, name: str) -> int:
        names = await self._names_beside(name)
        if name in names[-1:]:
            return 0  # it is entered there, by us or as a new one
        for other in names[-1:]:
            await self._copy(name, other)
        return 1

    async def _leave_card(self, name: str) -> int:
        names = await self._names_beside(name)
        if not names:
            if await self._store.command("EXISTS", f"tsp:{{{name}}}:card"):
                self._nameless.add(name)
            return 0
        if name == names[0]:
            return 0
        await self._copy(name, names[0])
        await self._store.command("DEL", f"tsp:{{{name}}}:card")
        return 1

    async def _names_beside(self, name: str) -> tuple[str, ...]:
        """All names of the card that has this one, the primary key's first; none where nobody knows its PAN."""
        fields: dict[bytes, bytes] = await self._store.command("HGETALL", f"tsp:{{{name}}}:card")
        for field in fields:
            if field.startswith(b"ref:"):
                async for pan in self._pans_of(field.decode().removeprefix("ref:")):
                    names = self._keys.names_of_pan(pan)
                    if name in names:
                        return names
        return ()

    async def _pans_of(self, reference: str) -> AsyncIterator[Pan]:
        """The PANs for which a token stands or stood."""
        entry = await self._entry(reference)
        if entry and entry.pan:
            yield entry.pan
        entries: dict[bytes, bytes] = await self._store.command("HGETALL", f"tsp:{{{reference}}}:history")
        for field, value in entries.items():
            if history.is_transaction(field):
                yield history.read(self._keys, reference, field.decode(), value).pan

    async def _copy(self, name: str, other: str) -> None:
        """Copy a card's fields to another of its names, where they are missing. Who changes both at the time wins."""
        before: dict[bytes, bytes] = {}
        while before != (fields := await self._store.command("HGETALL", f"tsp:{{{name}}}:card")):
            gone = [part for field, value in before.items() if field not in fields for part in (field, value)]
            args = [len(fields), *(part for pair in fields.items() for part in pair), *gone]
            await self._store.call("tsp_follow_fields", [f"tsp:{{{other}}}:card"], args)
            before = fields

    async def _entry(self, reference: str) -> Entry | None:
        row = await self._row(reference)
        return unseal(self._keys, reference, row) if row else None

    async def _row(self, reference: str) -> Row | None:
        values = await self._store.command("HMGET", f"tsp:{{{reference}}}:record", *Row._fields)
        return None if values[0] is None else Row(*(value or b"" for value in values))

    async def _each(self, pattern: str, move: Callable[[str], Awaitable[int]]) -> AsyncIterator[int]:
        """Move all that has a name of this pattern, some at a time. Gives how many there were to move."""

        async def one(name: bytes) -> int:
            with self._keys.using():
                return await move(name.decode().partition("{")[2].partition("}")[0])

        async for names in self._store.names(pattern):
            for some in _slices(names):
                yield sum(await asyncio.gather(*map(one, some)))


_SEALED: dict[Purpose, tuple[str, Callable[[Holdings, str], Awaitable[int]]]] = {
    Purpose.DATA: (RECORDS, Holdings.reseal_record),
    Purpose.HISTORY: (HISTORIES, Holdings.reseal_history),
}


def _slices(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), AT_ONCE):
        yield items[start : start + AT_ONCE]
