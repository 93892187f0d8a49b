"""Who waits for spans is told when some have come."""

import asyncio
from collections.abc import Callable
from contextlib import suppress


class Arrivals:
    """What has come, for those who wait for it."""

    def __init__(self) -> None:
        self._arrived = asyncio.Condition()

    async def tell(self) -> None:
        """Tell everybody who waits that something has come."""
        async with self._arrived:
            self._arrived.notify_all()

    async def wait(self, until: Callable[[], float], within_s: float) -> None:
        """Wait until then, and no longer than this. until: by the event loop's time; another one as things come."""
        now = asyncio.get_running_loop().time
        over = now() + within_s
        async with self._arrived:
            while (left_s := min(over, until()) - now()) > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(left_s):
                        await self._arrived.wait()
