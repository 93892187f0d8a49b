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

    async def wait(self, awaited: Callable[[], bool], within_s: float) -> None:
        """Wait until what has come makes this true, or the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s), self._arrived:
                await self._arrived.wait_for(awaited)
