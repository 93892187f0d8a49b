"""The token service provider under test, its store, and two tokens.

`tsp` is new for each test. A module that takes `shared` has one for all, on one event loop (`pytestmark =
pytest.mark.asyncio(loop_scope="module")`); each test brings cards of its own. Beside it, `spare` is a store for
`started(spare, ...)`: a provider with settings of a single test's.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from card_secrets import CardSecrets
from notice_desk import Desk
from patience import AMPLE_S, STORE_TIMEOUT_S, ample
from post_office import Post
from tsp_provider import WITH_CRYPTOGRAM, Provider, started

from cardnet.embedded_store import EmbeddedStore
from cardnet.store import Store
from services.tsp import instances, keys, rotation
from services.tsp import webhooks as posting
from services.tsp.vault import LIBRARY


@pytest.fixture(scope="session")
def card_secrets() -> Iterator[CardSecrets]:
    with pytest.MonkeyPatch.context() as patch:
        made = CardSecrets()
        for user in (keys, rotation):
            patch.setattr(user, "new_card_secret", made)
        yield made


@pytest.fixture(scope="session", autouse=True)
def trusted() -> Iterator[None]:
    """On a machine that stands still no call looks at the keyring once more, where tests count its questions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(instances, "TRUST_S", AMPLE_S)
        yield


@pytest.fixture(autouse=True)
def card_secrets_of_this_test(card_secrets: CardSecrets) -> Iterator[None]:
    card_secrets.begin()
    yield
    card_secrets.end()


@pytest.fixture(scope="session")
def store() -> Iterator[EmbeddedStore]:
    with EmbeddedStore.start(None, ["tsp"]) as running:
        yield running


@pytest.fixture(scope="session")
def spare() -> Iterator[EmbeddedStore]:
    with EmbeddedStore.start(None, ["tsp"]) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(store: EmbeddedStore) -> AsyncIterator[Provider]:
    async with started(store) as provider:
        yield provider


@pytest.fixture
async def admin(store: EmbeddedStore) -> AsyncIterator[Store]:
    """The store as one who may do everything sees it; empty at first."""
    behind = Store(store.admin_url, LIBRARY, owner="test", timeout_s=STORE_TIMEOUT_S)
    await behind.command("FLUSHALL")
    yield behind
    await behind.close()


@pytest.fixture
async def tsp(store: EmbeddedStore, admin: Store) -> AsyncIterator[Provider]:
    provider = Provider(store)
    await provider.service.start()
    yield provider
    async with ample():
        await provider.service.stop()


@pytest.fixture
async def token(tsp: Provider) -> Any:
    return await tsp.request_token()


@pytest.fixture
async def strict(tsp: Provider) -> Any:
    """A token whose domain wants a cryptogram."""
    return await tsp.request_token(trid=WITH_CRYPTOGRAM)


@pytest.fixture
async def desk(store: EmbeddedStore, admin: Store) -> AsyncIterator[Desk]:  # noqa: ARG001 - admin empties the store
    desk = Desk(store.url("tsp"))
    yield desk
    await desk.store.close()


@pytest.fixture
async def post(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Post]:
    monkeypatch.setattr(posting, "LOOK_AGAIN_S", 0.02)
    post = Post(desk)
    yield post
    await post.stop()
