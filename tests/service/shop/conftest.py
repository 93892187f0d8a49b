"""The shop, reached over HTTP as a browser reaches it."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from browsing import Browser, SavedCard
from losing_wire import Wire
from patience import STORE_TIMEOUT_S, patient

from cardnet.store import Store
from cardnet.testing import LocalNetwork
from services.merchant.shop.cards import KnownCard, RedisKnownCards
from services.merchant.shop.customers import CUSTOMERS


@pytest.fixture(scope="module")
def wire() -> Wire:
    return Wire()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def street(wire: Wire) -> AsyncIterator[LocalNetwork]:
    """A network with its web faces."""
    async with LocalNetwork(in_process=True, fronts=True, web=True, tap=wire, settings=patient()) as network:
        yield network


@pytest_asyncio.fixture(loop_scope="module")
async def browser(street: LocalNetwork) -> AsyncIterator[Browser]:
    """Somebody's browser, which has not been here before."""
    async with Browser(street.origins["merchant"]) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def other_browser(street: LocalNetwork) -> AsyncIterator[Browser]:
    """Somebody else's."""
    async with Browser(street.origins["merchant"]) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def on_file(street: LocalNetwork) -> AsyncIterator[SavedCard]:
    """Puts a new card, with some money, on a customer's file."""
    assert street.store
    store = Store(street.store.url("merchant"), owner="merchant", timeout_s=STORE_TIMEOUT_S)

    async def saved(balance: str = "500.00 USD", customer: str = "mina") -> str:
        card = await street.save_card(await street.open_account(balance), customer)
        await RedisKnownCards(store).add(CUSTOMERS[customer], KnownCard(card.id, card.pan_last_four, "cardnet"))
        return card.id

    yield saved
    await store.close()
