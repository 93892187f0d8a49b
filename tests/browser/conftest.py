"""A network with its shop, token service and wallet, and a person with a browser of their own for each test."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from patience import patient
from playwright.async_api import Playwright, async_playwright

from cardnet.testing import LocalNetwork

sys.path.append(str(Path(__file__).parents[1] / "flow"))  # the canary is that of the other tests

from person import Person


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def network() -> AsyncIterator[LocalNetwork]:
    """Six processes, whose clock a test may move on."""
    async with LocalNetwork(web=True, console=True, clock="simulated", settings=patient(), roster=False) as network:
        yield network


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def playwright() -> AsyncIterator[Playwright]:
    async with async_playwright() as playwright:
        yield playwright


@pytest_asyncio.fixture(loop_scope="session")
async def person(
    network: LocalNetwork, playwright: Playwright, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Person]:
    """Somebody who never was here: no cookie, no service worker. A test's parameters may make them another."""
    options = getattr(request, "param", {})
    async with Person.at(playwright, network, tmp_path / "profile", **options) as person:
        yield person


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One event loop for all: browser and network live on it."""
    for item in items:
        if "browser" in Path(item.fspath).parts:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
