"""The processes that serve one vault: who is there, and which of them use the keyring as it is now.

    tsp:{keyring}:instances   each instance -> the keyring's revision that it uses, and when it last said so

A key is used, or destroyed, only when every instance has heard of it. One that has said nothing new for a while is
taken for gone; and one that could not say anything for that long looks again before it uses its keys.
"""

import asyncio
import secrets

from cardnet.env import Clock
from cardnet.store import Store
from services.tsp.keys import KeySet

PLACE = "tsp:{keyring}:instances"

TELL_S = 1.0
"""How often an instance looks at the keyring and says which it uses."""

GONE_S = 5.0
"""How long an instance may say nothing before the others take it for gone."""
TRUST_S = GONE_S - 1.0
"""How long an instance trusts its keys without having said so."""

_CLOCKS_DIFFER_S = 60.0
"""How far the clocks of two machines may be apart. What was said longer ago than this allows, nobody says any more."""
_LOOK_S = 0.1
_NO_KEYS = 1 << 53
"""In place of a revision: whatever is done to the keyring, nobody need wait for this one."""


class Instances:
    """This process among those that serve the vault. Every coroutine raises Unavailable when the store does."""

    def __init__(self, store: Store, keys: KeySet, clock: Clock) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._heard: dict[str, tuple[bytes, float]] = {}
        self.name = secrets.token_hex(8)
        """What this process is called among them."""
        keys.renewed_by(self.tell)

    async def tell(self) -> None:
        """Take the keyring over as it is now, and say so once nobody here uses what was before."""
        until = _monotonic_s() + TRUST_S
        await self._keys.refresh()
        await self._keys.grace()
        said = f"{self._keys.keyring.revision} {self._clock.wall_s():.3f}"
        await self._store.command("HSET", PLACE, self.name, said)
        self._keys.trust_until(until)

    async def stay(self) -> None:
        """Say that this process is there, and uses no keys."""
        await self._store.command("HSET", PLACE, self.name, f"{_NO_KEYS} {self._clock.wall_s():.3f}")

    async def leave(self) -> None:
        """Say that this process ends, or uses no keys any more."""
        await self._store.command("HDEL", PLACE, self.name)

    async def spread(self) -> None:
        """Wait until every instance uses the keyring as it is now, and nothing that was begun with the one before."""
        await self._keys.grace()
        revision = self._keys.keyring.revision
        while any(int(said.split()[0]) < revision for said in await self._others()):
            await _look_again()

    async def alone(self) -> None:
        """Wait until no other instance is there."""
        while await self._others():
            await _look_again()

    async def there(self, name: str) -> bool:
        """Whether an instance is there. Looks GONE_S apart tell that it is gone, if it went without a word."""
        said = await self._said(name)
        return said is not None and self._speaks(name, said)

    async def stays(self, name: str) -> bool:
        """The same, at once: wait until it says something new, or has said nothing for GONE_S."""
        first = said = await self._said(name)
        while said == first and said is not None and self._speaks(name, said):
            await _look_again()
            said = await self._said(name)
        return said is not None and said != first

    async def _said(self, name: str) -> bytes | None:
        said: bytes | None = await self._store.command("HGET", PLACE, name)
        return said

    async def _others(self) -> list[bytes]:
        told: dict[bytes, bytes] = await self._store.command("HGETALL", PLACE)
        found = {name.decode(): said for name, said in told.items()}
        return [said for name, said in found.items() if name != self.name and self._speaks(name, said)]

    def _speaks(self, name: str, said: bytes) -> bool:
        """Whether somebody still says something new. By our own clock: theirs may be another machine's."""
        if self._clock.wall_s() - float(said.split()[1]) > _CLOCKS_DIFFER_S + GONE_S:
            return False
        now_s = _monotonic_s()
        before, since_s = self._heard.get(name, (b"", now_s))
        self._heard[name] = said, since_s if said == before else now_s
        return said != before or now_s - since_s < GONE_S


async def _look_again() -> None:
    """Wait between two looks at what the others say."""
    await asyncio.sleep(_LOOK_S)


def _monotonic_s() -> float:
    return asyncio.get_running_loop().time()
