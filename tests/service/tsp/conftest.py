"""The token service provider under test, its store, and two tokens."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from tsp_provider import WITH_CRYPTOGRAM, Provider

from cardnet.embedded_store import EmbeddedStore
from cardnet.store import Store
from services.tsp.vault import LIBRARY


@pytest.fixture(scope="session")
def store() -> Iterator[EmbeddedStore]:
    with EmbeddedStore.start(None, ["tsp"]) as running:
        yield running


@pytest.fixture
async def admin(store: EmbeddedStore) -> AsyncIterator[Store]:
    """The store as one who may do everything sees it; empty at first."""
    behind = Store(store.admin_url, LIBRARY, owner="test")
    await behind.command("FLUSHALL")
    yield behind
    await behind.close()


@pytest.fixture
async def tsp(store: EmbeddedStore, admin: Store) -> AsyncIterator[Provider]:
    provider = Provider(store)
    await provider.service.start()
    yield provider
    await provider.service.stop()


@pytest.fixture
async def token(tsp: Provider) -> Any:
    return await tsp.request_token()


@pytest.fixture
async def strict(tsp: Provider) -> Any:
    """A token whose domain wants a cryptogram."""
    return await tsp.request_token(trid=WITH_CRYPTOGRAM)
