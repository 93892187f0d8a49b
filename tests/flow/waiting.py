"""Waiting for what must come about: looked for again and again, until it is there or time is up."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from patience import AMPLE_S, ample

T = TypeVar("T")

LOOK_AGAIN_S = 0.05


async def until(look: Callable[[], Awaitable[T]], what: str, within_s: float = AMPLE_S) -> T:
    """What `look` finds, once it finds something that is true. AssertionError says what did not come about."""
    found = None
    try:
        async with ample(within_s):
            while not (found := await look()):  # noqa: ASYNC110 - other processes set no Event of ours
                await asyncio.sleep(LOOK_AGAIN_S)
    except TimeoutError:
        raise AssertionError(f"within {within_s} s it did not come about that {what}; last seen: {found!r}") from None
    return found
