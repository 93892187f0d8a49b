"""What is done again and again beside everything else, and never stops because of one time that it went wrong."""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable

log = logging.getLogger("cardnet")


async def every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    """Do something so often, until cancelled. A bug costs one round of it, and is told once."""
    told = False
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except Exception as bug:  # noqa: BLE001 - the next round may be about something else
            if not told:
                # The exception's text may hold anything; its type and place do not.
                *_, last = traceback.extract_tb(bug.__traceback__)
                log.error(
                    "%s goes on after a bug: %s at %s:%d", _name(work), type(bug).__name__, last.name, last.lineno
                )
            told = True


def _name(work: object) -> str:
    return str(getattr(work, "__qualname__", work)).lstrip("_")
