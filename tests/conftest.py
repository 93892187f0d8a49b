"""Networks for tests that pay. A module shares one; each test brings its own accounts, so none sees another's money.

A test module that uses them runs on one event loop: `pytestmark = pytest.mark.asyncio(loop_scope="module")`.
"""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import settings
from patience import AMPLE_S, TRACE_BEGINS_S, TRACE_S, patient
from scratch import scratch
from tap import Tap

from cardnet.testing import LocalNetwork, processes, remote
from cardnet.testing import network as local
from cardnet.traces import archive

FROZEN_AT = "2026-01-15T09:00:00Z"

settings.load_profile("ci")  # the same examples every time, and none is too slow on a machine that stands still

MEMORY, ENOUGH_BYTES = Path("/dev/shm"), 2 << 30  # noqa: S108 - what is made there is made safely


@pytest.fixture(scope="session", autouse=True)
def thrown_away(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Where stores are that are thrown away, and whatever else is: in memory, if this machine has such a place.

    A store writes to its disk before it acknowledges anything, so that it survives its end; no test ends the machine.
    """
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ENOUGH_BYTES:
        yield
        return
    tmp_path_factory.getbasetemp()  # chosen before: on disk it stays, for whoever looks into a failure
    with scratch(MEMORY) as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder))
        for name in ("XDG_RUNTIME_DIR", "TMPDIR"):
            patch.setenv(name, str(folder))
        yield


@pytest.fixture(scope="session", autouse=True)
def traces_are_waited_for() -> Iterator[None]:
    """On a machine that stands still, a service and what it recorded come later than the kit waits for them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive, "BEGINS_WITHIN_S", TRACE_BEGINS_S)
        patch.setattr(processes, "START_S", AMPLE_S)
        for kit in (local, remote):
            patch.setattr(kit, "TRACE_TIMEOUT_S", TRACE_S)
        yield


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
