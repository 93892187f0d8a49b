"""A network with a console, a browser at it that runs no script, and a payment that was approved."""

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio
from console_visit import PAGE
from patience import patient

from cardnet.testing import LocalNetwork
from cardnet.testing.payment import Payment


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network() -> AsyncIterator[LocalNetwork]:
    async with LocalNetwork(in_process=True, console=True, settings=patient()) as network:
        yield network


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(network: LocalNetwork) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=network.console_origin, timeout=30, headers=PAGE) as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def approved(network: LocalNetwork) -> Payment:
    return await network.checkout(await network.save_card("approved"), "12.40 USD")
