"""What becomes of an order when a neighbour, the store or the shop itself fails half-way: nobody pays for nothing."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from houses import CALLER_S, NEIGHBOUR_S, MerchantHouse, Process, card, order
from leap import leap
from neighbours import OTHER_TOKEN, emptied, env, hang
from patience import STORE_TIMEOUT_S, ample

from cardnet.call import Call
from cardnet.client import Channel
from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import Fault, InProgress, InvalidField, KeyReused, Overloaded, TimedOut, Unavailable
from cardnet.journal import ABANDONED_AFTER_S
from cardnet.v1.acquirer_pb2 import SubmitPaymentResponse
from cardnet.v1.merchant_pb2_grpc import MerchantStub
from cardnet.wire import InProcessLink
from services.merchant.app import Config, build


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedStore]:
    with EmbeddedStore.start(None, ("merchant",)) as server:
        yield server


@pytest.fixture
async def house(server: EmbeddedStore) -> AsyncIterator[MerchantHouse]:
    await emptied(server)
    async with MerchantHouse(server) as house:
        yield house


async def on_file(shop: Process) -> str:
    """The name of a card that is on file now."""
    return (await shop.calls.SaveCard(card())).card_on_file_id


async def given_back(shop: Process, id_: str) -> None:
    with pytest.raises(Unavailable) as fault:
        await shop.calls.Checkout(order(card_on_file_id=id_))
    assert fault.value.reason == "OUTCOME_UNKNOWN_REVERSED"
    assert "pay again under a new key" in fault.value.sentence


async def test_a_silent_acquirer_is_sent_the_reversal_until_it_acknowledges_and_not_once_more(house) -> None:
    shop = house.start()
    id_ = await on_file(shop)
    house.acquirer.then, house.acquirer.reversal_faults = hang, [Unavailable("A", "away"), Overloaded("B", "busy")]
    with pytest.raises(TimedOut):
        await shop.calls.Checkout(order(card_on_file_id=id_))
    assert house.acquirer.approved == {"order-1"}
    await given_back(shop, id_)

    for _ in range(5):
        await shop.later()
    assert house.acquirer.taken_back == ["order-1"] * 3
    assert house.acquirer.approved == set()
    await given_back(shop, id_)

    house.acquirer.then = None
    assert (await shop.calls.Checkout(order("order-2", card_on_file_id=id_))).approved


@pytest.mark.parametrize("fault", [Unavailable("AWAY", "away"), InProgress("TWICE", "a copy of it is under way")])
async def test_an_acquirer_that_may_have_acted_is_sent_a_reversal(house, fault) -> None:
    shop = house.start()
    id_ = await on_file(shop)
    house.acquirer.before_approving = fault
    with pytest.raises(type(fault)):
        await shop.calls.Checkout(order(card_on_file_id=id_))
    await shop.later(0)
    assert house.acquirer.taken_back == ["order-1"]
    await given_back(shop, id_)


@pytest.mark.parametrize(
    "fault", [Overloaded("BUSY", "busy"), KeyReused("K", "used"), InvalidField("merchant", "must")]
)
async def test_an_acquirer_that_certainly_did_not_act_is_sent_none_and_the_key_stays_good(house, fault) -> None:
    shop = house.start()
    id_ = await on_file(shop)
    house.acquirer.before_approving = fault
    with pytest.raises(type(fault)):
        await shop.calls.Checkout(order(card_on_file_id=id_))
    house.acquirer.before_approving = None
    assert (await shop.calls.Checkout(order(card_on_file_id=id_))).approved
    await shop.later(ABANDONED_AFTER_S)
    assert house.acquirer.taken_back == []


async def test_an_answer_about_another_token_is_no_answer(house) -> None:
    async def mix_up(response: SubmitPaymentResponse, _call: Call) -> None:
        response.payment_token = OTHER_TOKEN

    shop = house.start()
    id_ = await on_file(shop)
    house.acquirer.then = mix_up
    with pytest.raises(Unavailable):
        await shop.calls.Checkout(order(card_on_file_id=id_))
    await shop.later(0)
    assert house.acquirer.approved == set()


async def test_an_order_of_a_process_that_died_is_taken_back_by_the_next(house) -> None:
    dead, waiting = house.start(), asyncio.Event()
    id_ = await on_file(dead)

    async def dies(_response: SubmitPaymentResponse, _call: Call) -> None:
        waiting.set()
        await asyncio.Event().wait()

    house.acquirer.then = dies
    cut_off = asyncio.create_task(dead.calls.Checkout(order(card_on_file_id=id_)))
    async with ample():
        await waiting.wait()
    dead.journal.finish = dead.journal.give_up = dead.journal.forget = None  # from here on it does nothing more
    leap(CALLER_S)
    with pytest.raises(Fault):
        await cut_off

    after = house.start()
    with pytest.raises(InProgress):
        await after.calls.Checkout(order(card_on_file_id=id_))
    await after.later(ABANDONED_AFTER_S)
    assert house.acquirer.taken_back == ["order-1"]
    assert house.acquirer.approved == set()
    await given_back(after, id_)


async def test_a_sweeper_that_is_too_early_wins_and_the_late_approval_is_told_to_nobody(house) -> None:
    shop, other = house.start(), house.start()
    id_ = await on_file(shop)

    async def swept(_response: SubmitPaymentResponse, _call: Call) -> None:
        await other.later(ABANDONED_AFTER_S)  # as after a clock that jumped, or a process that was stopped and woke

    house.acquirer.then = swept
    with pytest.raises(Unavailable) as fault:
        await shop.calls.Checkout(order(card_on_file_id=id_))
    assert fault.value.reason == "ANSWER_TOO_LATE"
    assert house.acquirer.approved == set()


async def test_without_its_store_nothing_is_begun_and_with_it_all_is_well(house, server) -> None:
    shop = house.start()
    id_ = await on_file(shop)
    house.tsp.asked.clear()
    server.kill()
    for call in (shop.calls.Checkout(order(card_on_file_id=id_)), shop.calls.SaveCard(card("bob"))):
        with pytest.raises(Unavailable) as fault:
            await call
        assert fault.value.reason == "STORE_UNAVAILABLE"
    assert house.acquirer.asked == []

    server.restart()
    assert (await shop.calls.Checkout(order(card_on_file_id=id_))).approved
    assert (await shop.calls.SaveCard(card("bob"))).saved


async def test_a_store_that_stops_before_the_customer_is_told_ends_in_a_reversal(house, server) -> None:
    shop = house.start()
    id_ = await on_file(shop)

    async def store_dies(_response: SubmitPaymentResponse, _call: Call) -> None:
        server.kill()

    house.acquirer.then = store_dies
    with pytest.raises(Unavailable):
        await shop.calls.Checkout(order(card_on_file_id=id_))
    server.restart()
    house.acquirer.then = None
    await shop.later(ABANDONED_AFTER_S)
    assert house.acquirer.approved == set()
    await given_back(shop, id_)


async def test_a_whole_shop_sends_reversals_by_itself(house, server) -> None:
    config = Config(
        redis_url=server.url("merchant"),
        store_timeout_s=STORE_TIMEOUT_S,
        acquirer="the acquirer's address",
        tsp="the tsp's address",
        acquirer_timeout_s=NEIGHBOUR_S,
    )
    borders = {"acquirer": house.acquirer.border, "tsp": house.tsp.border}
    service = build(config, env(), [], lambda name, _address: InProcessLink(name, borders[name], "merchant"))
    await service.start()
    customer = MerchantStub(Channel(InProcessLink("merchant", service.border, "cardholder"), env(), timeout_s=25))
    id_ = (await customer.SaveCard(card())).card_on_file_id
    house.acquirer.then = hang
    with pytest.raises(Unavailable):
        await customer.Checkout(order(card_on_file_id=id_))
    async with ample():
        await house.acquirer.reversed.wait()
    await service.stop()
    await house.acquirer.border.drain()
    assert house.acquirer.approved == set()


def test_a_shop_whose_own_data_break_their_rules_does_not_start(server) -> None:
    config = Config(redis_url=server.url("merchant"), acquirer="a:1", tsp="t:1", merchant_domain="Not A Domain")
    with pytest.raises(InvalidField, match="merchant_domain"):
        build(config, env(), [], lambda name, _address: InProcessLink(name, None, ""))
