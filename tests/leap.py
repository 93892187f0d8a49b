"""Time that passes at once: whoever waits in this process until some time is up finds that it is.

As after a machine that slept. Nobody has to wait, and no limit has to be so short that a busy machine reaches it.

The clock stays ahead when a test has ended, by as much as it was then: it never goes back, and runs as fast as before.
Event loops that stand still meanwhile see no more of it than of the time that the other tests take.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from patience import put_off

from cardnet import faulty
from cardnet.call import Call

_monotonic_s = time.monotonic
_ahead_s = 0.0


def leap(seconds: float) -> None:
    """Let so much time pass on the clock by which this process waits: asyncio's, and that of every deadline.

    Only what a test itself waits for within `patience.ample` has as much time as before.
    """
    global _ahead_s
    put_off(seconds)
    _ahead_s += seconds
    time.monotonic = _now_s


@contextmanager
def leaping() -> Iterator[None]:
    """Have time leap where an issuer in this process is silent until nobody waits any more, or a fault switch waits."""

    async def outlast(call: Call) -> None:
        leap(call.remaining_s())
        await _outlast(call)

    async def later(seconds: float) -> None:
        leap(seconds)
        await asyncio.sleep(0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Call, "outlast", outlast)
        patch.setattr(faulty, "_pass", later)
        yield


_outlast = Call.outlast


def _now_s() -> float:
    return _monotonic_s() + _ahead_s
