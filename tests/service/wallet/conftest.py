"""The wallet under test and its store. Each test has a browser of its own, and so a wallet of its own."""

from collections.abc import AsyncIterator, Iterator

import pytest
from patience import STORE_TIMEOUT_S
from wallet_house import House, started

from cardnet.embedded_store import EmbeddedStore
from cardnet.store import Store


@pytest.fixture(scope="session")
def wallet_store() -> Iterator[EmbeddedStore]:
    with EmbeddedStore.start(None, ["wallet"]) as running:
        yield running


@pytest.fixture
async def house(wallet_store: EmbeddedStore) -> AsyncIterator[House]:
    async with started(wallet_store) as house:
        yield house


@pytest.fixture
async def admin(wallet_store: EmbeddedStore) -> AsyncIterator[Store]:
    """The store as one who may do everything sees it; empty at first."""
    behind = Store(wallet_store.admin_url, owner="test", timeout_s=STORE_TIMEOUT_S)
    await behind.command("FLUSHALL")
    yield behind
    await behind.close()
