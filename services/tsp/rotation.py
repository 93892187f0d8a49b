"""Rotation of every key, online: authorisations run on, and none fails.

A new key is PREPARED until every instance has heard of it, then PRIMARY; the old one is READING until nothing is under
it any more, then DESTROYED. Every step can be repeated, and the keyring says how far it is: whoever rotates after a
crash finishes what was begun.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import NamedTuple

from cardnet.env import Clock
from cardnet.errors import NotPermitted
from services.tsp.holdings import Holdings
from services.tsp.instances import Instances
from services.tsp.keyed import new_card_secret
from services.tsp.keyring import Key, Keyring, KeyState, Purpose, new_secret
from services.tsp.keys import KeySet

_DAY_S = 86_400
_SLACK_S = 60


class Progress(NamedTuple):
    """How far a rotation is."""

    done: int
    total: int
    """As far as is known."""
    key: Key | None = None
    """The new key, in the last message."""


Mover = Callable[[], AsyncIterator[int]]
"""Brings things under the present keys; gives how many at a time."""


class Rotation:
    """Replaces keys. Every method raises Unavailable when the store does not answer; ask again then, and it goes on."""

    def __init__(
        self, keys: KeySet, instances: Instances, holdings: Holdings, clock: Clock, *, cryptogram_window_s: int
    ) -> None:
        """cryptogram_window_s: how long a cryptogram is good."""
        self._keys = keys
        self._instances = instances
        self._holdings = holdings
        self._clock = clock
        self._reads_s = {
            Purpose.HISTORY: _DAY_S,  # a repeat is told from another transaction by a fingerprint of its time
            Purpose.CARD: _DAY_S,
            Purpose.CRYPTOGRAM: cryptogram_window_s + _SLACK_S,
        }
        self._also: list[Callable[[], Awaitable[None]]] = []

    def also(self, reseal: Callable[[], Awaitable[None]]) -> None:
        """Have something else brought under the present data key, too, before an old one is destroyed."""
        self._also.append(reseal)

    async def rotate(self, purpose: Purpose) -> AsyncIterator[Progress]:
        """Replace the key of a purpose, or finish doing so. NotPermitted if it is not this vault's to replace.

        The key-encryption key is not for here: KeySet.rewrap.
        """
        if purpose is Purpose.CRYPTOGRAM and self._keys.shares_cryptogram_key:
            raise NotPermitted(
                "KEY_NOT_ROTATABLE",
                "the cryptograms' key was given by CARDNET_CRYPTOGRAM_KEY, which an issuer shares: change it there",
            )
        await self._keys.refresh()
        await self.retire()
        done, total = 0, await self._holdings.count(purpose)
        yield Progress(done, total)

        # A new key, unless one is under way. Everything is entered under its names before it is the first to be asked.
        if not self._under_way(purpose):
            await self._prepare(purpose)
            await self._instances.spread()
            async for moved in self._holdings.enter(purpose):
                done += moved
                yield Progress(done, max(done, total))
            await self._change(lambda ring, now: ring.with_promoted(purpose, now))
            await self._instances.spread()

        # What is under the old one comes under the new one. Whoever still reads it there may finish.
        old = self._keys.keyring.in_state(purpose, KeyState.READING)
        async for moved in self._holdings.leave(purpose):
            done += moved
            yield Progress(done, max(done, total))
        if purpose is Purpose.DATA:
            for reseal in self._also:
                await reseal()
        await self._instances.spread()

        # Nothing needs the old one, or will not after a while.
        await self._finish(purpose, old)
        await self._instances.spread()
        yield Progress(done, done, self._keys.keyring.primary(purpose))

    async def retire(self) -> None:
        """Destroy the keys that nothing needs any more by now."""
        gone = self._outlived(self._keys.keyring)
        if gone:
            await self._change(lambda ring, now: ring.with_destroyed(self._outlived(ring), now))

    def _under_way(self, purpose: Purpose) -> bool:
        return any(not key.settled for key in self._keys.keyring.in_state(purpose, KeyState.READING))

    async def _prepare(self, purpose: Purpose) -> None:
        secret = await asyncio.to_thread(new_card_secret) if purpose is Purpose.CARD else new_secret(purpose)

        def prepared(ring: Keyring, now: datetime) -> Keyring:
            if ring.in_state(purpose, KeyState.PREPARED):
                return ring
            return ring.with_prepared(purpose, secret, now)

        if purpose is Purpose.CARD:
            await self._keys.card_key()  # the first one may still be in the making
        await self._change(prepared)

    async def _finish(self, purpose: Purpose, old: tuple[Key, ...]) -> None:
        """Destroy the old keys, or say that they are for reading alone. One that came later is another rotation's."""
        for_reading = purpose in self._reads_s or purpose is Purpose.AUDIT or await self._holdings.remains(purpose)

        def finished(ring: Keyring, now: datetime) -> Keyring:
            if for_reading:
                return ring.with_settled(old)
            return ring.with_destroyed(old, now)

        await self._change(finished)

    def _outlived(self, ring: Keyring) -> tuple[Key, ...]:
        now_ms = int(self._clock.now().timestamp() * 1000)
        return tuple(
            key
            for purpose, reads_s in self._reads_s.items()
            for key in ring.in_state(purpose, KeyState.READING)
            if key.settled and key.since_ms + reads_s * 1000 <= now_ms
        )

    async def _change(self, edit: Callable[[Keyring, datetime], Keyring]) -> None:
        now = self._clock.now()
        await self._keys.change(lambda ring: edit(ring, now))
