"""What the demo shop's till makes of answers and writes that are lost: an order is paid once, and its card listed."""

import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from browsing import Browser, SavedCard
from losing_wire import Wire
from patience import STORE_TIMEOUT_S

from cardnet.errors import NotFound, TimedOut, Unavailable
from cardnet.store import Store
from cardnet.testing import LocalNetwork
from cardnet.v1.merchant_pb2 import CheckoutRequest
from cardnet.v1.merchant_pb2_grpc import MerchantStub
from services.merchant.shop.cards import KnownCard, RedisKnownCards
from services.merchant.shop.customers import CUSTOMERS, Customer
from services.merchant.shop.orders import LIBRARY, Order, RedisOrders
from services.merchant.shop.posted import Wish
from services.merchant.shop.products import PRODUCTS
from services.merchant.shop.till import Till
from services.merchant.shop.visits import RedisVisits, Visit

pytestmark = pytest.mark.asyncio(loop_scope="module")

sys.path.append(str(Path(__file__).parents[2] / "flow"))  # cards are typed as in the other tests
from web_life import token_in_a_page  # noqa: E402

TEA, CLUB = PRODUCTS["tea"], PRODUCTS["club"]
PLACED = "2026-01-02T03:04:05+00:00"


class Orders(RedisOrders):
    """Cannot write some answers down."""

    losing = False

    async def keep(self, order: Order) -> None:
        if self.losing:
            raise Unavailable("STORE_UNAVAILABLE", "the merchant's store does not answer; is it running?")
        await super().keep(order)


class KnownCards(RedisKnownCards):
    """Cannot list some cards."""

    losing = False

    async def add(self, customer: Customer, card: KnownCard) -> None:
        if self.losing:
            raise Unavailable("STORE_UNAVAILABLE", "the merchant's store does not answer; is it running?")
        await super().add(customer, card)


class Counter:
    """A till, and one who pays at it."""

    def __init__(self, street: LocalNetwork, store: Store, visit: Visit) -> None:
        self.street, self.store, self.visit = street, store, visit
        self.orders, self.cards = Orders(store), KnownCards(store)
        self.origin = street.origins["merchant"]
        self.till = Till(street.stub(MerchantStub, "merchant"), self.origin, self.orders, self.cards)

    async def pay(self, *, keep: bool = False) -> Order:
        """Load the page, type a card, pay."""
        key = await self.orders.draft(self.visit, TEA)
        async with Browser(self.origin) as browser:
            token = await token_in_a_page(self.street, browser.client)
        return await self.till.pay(self.visit, Wish("tea", key, browser_token=token, keep=keep), TEA, PLACED)


@pytest_asyncio.fixture(loop_scope="module", params=["mina"])
async def counter(street: LocalNetwork, request: pytest.FixtureRequest) -> AsyncIterator[Counter]:
    assert street.store
    store = Store(street.store.url("merchant"), LIBRARY, owner="merchant", timeout_s=STORE_TIMEOUT_S)
    yield Counter(street, store, await RedisVisits(store).begin(CUSTOMERS[request.param]))
    await store.close()


async def test_a_payment_whose_answer_was_not_written_down_is_not_made_again_with_the_card_that_is_typed_then(
    counter: Counter, wire: Wire
) -> None:
    before, counter.orders.losing = wire.payments, True
    with pytest.raises(Unavailable):
        await counter.pay()
    counter.orders.losing = False
    key = await counter.orders.draft(counter.visit, TEA)
    left = await counter.orders.find(key)
    assert left
    assert (left.state, bool(left.sent)) == ("open", True)

    paid = await counter.pay()

    assert (paid.id, paid.state, paid.sent) == (key, "approved", "")
    assert wire.payments == before + 1
    assert await counter.orders.find(key) == paid
    assert await counter.orders.draft(counter.visit, TEA) != key


@pytest.mark.parametrize("counter", ["aiko"], indirect=True)
async def test_a_card_that_was_to_be_kept_is_listed_whatever_was_lost_at_first(counter: Counter) -> None:
    counter.cards.losing = True
    with pytest.raises(Unavailable):
        await counter.pay(keep=True)
    assert not await counter.cards.of(CUSTOMERS["aiko"])
    counter.cards.losing = False
    paid = await counter.pay()
    assert [card.id for card in await counter.cards.of(CUSTOMERS["aiko"])] == [paid.card_on_file_id]


async def test_what_was_sent_and_cannot_be_paid_any_more_makes_way_for_another_card(counter: Counter) -> None:
    key = await counter.orders.draft(counter.visit, TEA)
    gone = CheckoutRequest(
        idempotency_key=key, card_on_file_id="card-gone", amount_minor=TEA.price.minor, currency="840"
    )
    sent = b64encode(gone.SerializeToString()).decode()
    await counter.orders.begin(
        Order(
            id=key,
            owner="mina",
            product="tea",
            amount_minor=TEA.price.minor,
            currency="USD",
            placed=PLACED,
            means="A card on file",
            sent=sent,
        )
    )
    with pytest.raises(NotFound):
        await counter.pay()
    paid = await counter.pay()
    assert (paid.id, paid.state, paid.means) == (key, "approved", "A new card")


async def test_an_answer_is_not_overwritten_by_a_later_page(counter: Counter) -> None:
    paid = await counter.pay()
    assert await counter.orders.begin(replace(paid, state="open", sent="another")) == paid
    assert await counter.orders.find(paid.id) == paid


async def test_a_month_that_was_given_back_does_not_end_the_subscription(
    counter: Counter, on_file: SavedCard, wire: Wire
) -> None:
    key = await counter.orders.draft(counter.visit, TEA)
    card = await on_file()
    paid = await counter.till.pay(counter.visit, Wish("tea", key, card_on_file=card), TEA, PLACED)
    first = replace(paid, product=CLUB.id, amount_minor=CLUB.price.minor, card_on_file_id=card)
    wire.losing = True
    with pytest.raises(TimedOut):
        await counter.till.charge_next_month(first, 2, PLACED)
    wire.losing = False

    given_back = await counter.till.charge_next_month(first, 2, PLACED)

    assert (given_back.state, given_back.response_code) == ("refused", "")
    after = await counter.orders.find(first.id)
    assert after
    assert after.months == 2
    assert (await counter.till.charge_next_month(after, 3, PLACED)).rrn not in ("", first.rrn)
