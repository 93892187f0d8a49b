"""A network with its shop, token service and wallet, a browser, and in it another person for each test."""

import sys
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from patience import patient
from playwright.async_api import async_playwright, expect

from cardnet.testing import LocalNetwork
from cardnet.testing.ports import Ports

sys.path.append(str(Path(__file__).parents[1] / "flow"))  # the canary is that of the other tests

from chromium import WAIT_MS, Chromium, Chromiums
from person import Person

expect.set_options(timeout=WAIT_MS)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def network() -> AsyncIterator[LocalNetwork]:
    """Six processes, whose clock a test may move on."""
    async with LocalNetwork(web=True, console=True, clock="simulated", settings=patient(), roster=False) as network:
        yield network


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromiums(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chromiums]:
    folders = partial(tmp_path_factory.mktemp, "profile")
    async with async_playwright() as playwright, Chromiums(playwright, folders) as chromiums:
        yield chromiums


@pytest_asyncio.fixture(loop_scope="session")
async def chromium(chromiums: Chromiums) -> Chromium:
    return await chromiums.one()


@pytest_asyncio.fixture(loop_scope="session")
async def person(network: LocalNetwork, chromium: Chromium, request: pytest.FixtureRequest) -> AsyncIterator[Person]:
    """Somebody who never was here: no cookie, no service worker. A test's parameters may make them another."""
    async with Person.at(chromium, network, **getattr(request, "param", {})) as person:
        yield person


@pytest.fixture
def address() -> Iterator[str]:
    """Where a test may serve something."""
    ports = Ports()
    yield ports.take()
    ports.release()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One event loop for all: browser and network live on it."""
    for item in items:
        if "browser" in Path(item.fspath).parts:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
