"""Networks for tests that pay. A module shares one; each test brings its own accounts, so none sees another's money.

A test module that uses them runs on one event loop: `pytestmark = pytest.mark.asyncio(loop_scope="module")`.
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from patience import patient
from tap import Tap

from cardnet.testing import LocalNetwork

FROZEN_AT = "2026-01-15T09:00:00Z"


@pytest.fixture(scope="module")
def module_tap() -> Tap:
    return Tap()


@pytest.fixture
def tap(module_tap: Tap) -> Tap:
    """What travels between the services of `network` during this test."""
    module_tap.exchanges.clear()
    return module_tap


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(module_tap: Tap) -> AsyncIterator[LocalNetwork]:
    """All services in this process, their clock stopped, a tap on every wire."""
    async with LocalNetwork(in_process=True, frozen_at=FROZEN_AT, tap=module_tap, settings=patient()) as network:
        yield network


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["in_process", "processes"])
async def either_network(request: pytest.FixtureRequest) -> AsyncIterator[LocalNetwork]:
    """Both, one after the other."""
    async with LocalNetwork(in_process=request.param == "in_process", settings=patient()) as network:
        yield network


@pytest_asyncio.fixture(loop_scope="module")
async def later(module_tap: Tap, tap: Tap) -> AsyncIterator[LocalNetwork]:
    """One for a single test, which may move its clock."""
    before_midnight = "2026-01-15T23:50:00Z"
    async with LocalNetwork(in_process=True, frozen_at=before_midnight, tap=module_tap, settings=patient()) as network:
        yield network
