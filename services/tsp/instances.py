"""The processes that serve one vault: which of them use the keyring as it is now.

    tsp:{keyring}:instances   each instance -> the keyring's revision that it uses, and when it last said so

A key is used, or destroyed, only when every instance has heard of it. One that has said nothing for a while is taken
for gone.
"""

import asyncio
import secrets

from cardnet.env import Clock
from cardnet.store import Store
from services.tsp.keys import KeySet

PLACE = "tsp:{keyring}:instances"

TELL_S = 1.0
"""How often an instance looks at the keyring and says which it uses."""

_GONE_S = 5.0
_LOOK_S = 0.1


class Instances:
    """This process among those that serve the vault."""

    def __init__(self, store: Store, keys: KeySet, clock: Clock) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._name = secrets.token_hex(8)

    async def tell(self) -> None:
        """Take the keyring over as it is now, and say so once nobody here uses what was before."""
        await self._keys.refresh()
        await self._keys.grace()
        said = f"{self._keys.keyring.revision} {self._clock.wall_s():.3f}"
        await self._store.command("HSET", PLACE, self._name, said)

    async def leave(self) -> None:
        """Say that this process ends."""
        await self._store.command("HDEL", PLACE, self._name)

    async def spread(self) -> None:
        """Wait until every instance uses the keyring as it is now, and nothing that was begun with the one before."""
        await self._keys.grace()
        revision = self._keys.keyring.revision
        while True:
            if not await self._behind(revision):
                return
            await asyncio.sleep(_LOOK_S)

    async def _behind(self, revision: int) -> bool:
        told: dict[bytes, bytes] = await self._store.command("HGETALL", PLACE)
        now = self._clock.wall_s()
        for name, said in told.items():
            theirs, at = said.split()
            if name.decode() != self._name and int(theirs) < revision and now - float(at) < _GONE_S:
                return True
        return False
