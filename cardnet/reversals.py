"""Store and forward: reversals are sent until they are acknowledged, however long that takes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from cardnet.env import Clock
from cardnet.errors import Fault
from cardnet.journal import Due, Journal

LOOK_AGAIN_S = 1.0
"""How often the journal is looked at when nobody wakes us."""

log = logging.getLogger("cardnet")


class Reversals:
    """Sends what the journal says is to be reversed."""

    def __init__(self, journal: Journal, clock: Clock, send: Callable[[Due], Awaitable[None]]) -> None:
        """send: reverses one payment; returns when that is acknowledged, raises a Fault when it is not."""
        self._journal = journal
        self._clock = clock
        self._send = send
        self._awake = asyncio.Event()

    def wake(self) -> None:
        """Look at the journal now."""
        self._awake.set()

    async def take_back(self, id_: str) -> None:
        """Take a payment back, whatever was answered, and send its reversal, now and until it is acknowledged."""
        await self._journal.abandon(id_)
        self.wake()

    async def give_up(self, id_: str, run: int) -> None:
        """Take back what this run does not know the outcome of, unless another instance has taken it up."""
        await self._journal.give_up(id_, run)
        self.wake()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await self._awake.wait()
            self._awake.clear()
            with suppress(Fault):  # the store is away: the journal keeps what it has for the next look
                await self.send_due()

    async def send_due(self) -> None:
        """Send what is due now, all at once: one that hangs must not hold up the others."""
        due = await self._journal.take_due(self._clock.wall_s())
        await asyncio.gather(*map(self._send_one, due))

    async def _send_one(self, due: Due) -> None:
        try:
            await self._send(due)
            await self._journal.settle(due.id)
        except Fault as fault:
            log.warning("a reversal is not acknowledged yet (%s); it will be sent again", fault.reason)
        except Exception as bug:  # one that cannot be sent must not end the sending of all others
            log.error("a reversal cannot be sent: %s; it will be tried again", type(bug).__name__)
