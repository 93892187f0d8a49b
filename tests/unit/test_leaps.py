"""Time that leaps ends what waits for it, and nothing else."""

import asyncio

import pytest
from leap import leap
from patience import AMPLE_S, ample


async def test_time_that_leaps_ends_what_waits_in_the_process_and_not_the_tests_own_patience() -> None:
    async with ample():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(AMPLE_S):
                leap(2 * AMPLE_S)
                await asyncio.Event().wait()


async def test_patience_has_an_end_all_the_same() -> None:
    with pytest.raises(TimeoutError):
        async with ample(0.0):
            await asyncio.Event().wait()
