"""A connection breaks, and gRPC asks another instance: it takes the payment up and ends it as the first would."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from houses import CALLER_S, AcquirerHouse, MerchantHouse, Process, card, order, payment
from leap import leap
from neighbours import Tsp, emptied
from patience import ample

from cardnet.border import ASKED_BEFORE
from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import Fault, InProgress, Overloaded, TimedOut, Unavailable
from cardnet.v1.acquirer_pb2 import SubmitPaymentResponse
from cardnet.v1.merchant_pb2 import CheckoutResponse
from cardnet.v1.token_service_pb2 import RequestCryptogramResponse
from services.merchant import servicer as shop

SUBMIT, CHECKOUT = "/cardnet.v1.Acquirer/SubmitPayment", "/cardnet.v1.Merchant/Checkout"


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedStore]:
    with EmbeddedStore.start(None, ("acquirer", "merchant")) as server:
        yield server


@pytest.fixture
async def house(server: EmbeddedStore) -> AsyncIterator[AcquirerHouse]:
    await emptied(server)
    async with AcquirerHouse(server) as house:
        yield house


async def asked_again(process: Process, method: str, request: Any) -> bytes:
    """The answer to what gRPC asks again, in bytes."""
    return await process.link.call(method, request.SerializeToString(), {ASKED_BEFORE: "1"}, CALLER_S)


class Held:
    """What a neighbour does after it acted: answers at once, but for the first who asks, who waits."""

    def __init__(self) -> None:
        self.fault: Fault | None = None
        """What the first hears in place of the answer."""
        self.reached, self.released = asyncio.Event(), asyncio.Event()

    async def __call__(self, *_: object) -> None:
        if not self.reached.is_set():
            self.reached.set()
            await self.released.wait()
            if self.fault:
                raise self.fault

    async def has_one_waiting(self) -> None:
        """Wait until the first has asked."""
        async with ample():
            await self.reached.wait()


class Pair:
    """Two acquirers, the first of which has sent the payment on and waits for the network's answer."""

    def __init__(self, house: AcquirerHouse) -> None:
        self.house, self.held = house, Held()
        self.first, self.second = house.start(), house.start()

    async def begun(self) -> "asyncio.Task[bytes]":
        """What comes of it at the first."""
        self.house.network.then = self.held
        task = asyncio.create_task(self.first.ask(SUBMIT, payment()))
        await self.held.has_one_waiting()
        return task


async def test_the_second_answers_under_the_first_s_name_and_the_first_ends_with_the_same(house: AcquirerHouse) -> None:
    pair = Pair(house)
    first = await pair.begun()
    house.clock.advance(timedelta(hours=30))  # by now it would be named otherwise
    answer = await asked_again(pair.second, SUBMIT, payment())
    pair.held.released.set()

    assert SubmitPaymentResponse.FromString(answer).response_code == "00"
    assert await first == answer == await pair.second.ask(SUBMIT, payment())
    original, repeat = house.network.asked
    assert original.transaction == repeat.transaction
    assert (original.repeat, repeat.repeat) == (False, True)
    await pair.second.later(1_000)
    assert house.network.given_back == []
    assert len(house.network.holds) == 1


async def test_the_first_s_answer_counts_no_more_once_the_second_has_taken_it_up(house: AcquirerHouse) -> None:
    pair, later = Pair(house), Held()
    first = await pair.begun()
    house.network.then = later
    second = asyncio.create_task(asked_again(pair.second, SUBMIT, payment()))
    await later.has_one_waiting()
    pair.held.released.set()
    with pytest.raises(Unavailable) as fault:
        await first
    assert fault.value.reason == "TAKEN_UP"
    with pytest.raises(InProgress):
        await pair.first.ask(SUBMIT, payment())
    later.released.set()
    answer = await second
    assert await pair.first.ask(SUBMIT, payment()) == answer


@pytest.mark.parametrize("fault", [Unavailable("AWAY", "away"), Overloaded("BUSY", "busy")])
@pytest.mark.parametrize("answered", [True, False], ids=["answered", "still asking"])
async def test_what_the_first_does_not_learn_is_its_own_affair(
    house: AcquirerHouse, fault: Fault, answered: bool
) -> None:
    pair, later = Pair(house), Held()
    first = await pair.begun()
    house.network.then = later
    second = asyncio.create_task(asked_again(pair.second, SUBMIT, payment()))
    await later.has_one_waiting()
    if answered:
        later.released.set()
        await second
    pair.held.fault = fault
    pair.held.released.set()
    with pytest.raises(type(fault)):
        await first
    later.released.set()
    answer = await second
    assert SubmitPaymentResponse.FromString(answer).response_code == "00"
    await pair.second.later(1_000)
    assert house.network.given_back == []
    assert await pair.second.ask(SUBMIT, payment()) == answer


async def test_a_second_that_certainly_did_nothing_has_what_the_first_did_reversed(house: AcquirerHouse) -> None:
    pair = Pair(house)
    first = await pair.begun()
    house.network.before_holding = Overloaded("BUSY", "busy")
    with pytest.raises(Overloaded):
        await asked_again(pair.second, SUBMIT, payment())
    pair.held.released.set()
    with pytest.raises(Unavailable):
        await first
    await pair.second.later()
    assert house.network.holds == {}
    assert len(house.network.given_back) == 1


async def test_a_payment_that_the_first_never_began_is_begun_by_the_second(house: AcquirerHouse) -> None:
    answer = await asked_again(house.start(), SUBMIT, payment())
    assert SubmitPaymentResponse.FromString(answer).response_code == "00"
    assert not house.network.asked[0].repeat


async def test_a_payment_with_another_cryptogram_is_the_same_payment_and_takes_nothing_up(house: AcquirerHouse) -> None:
    pair, fresh = Pair(house), payment()
    fresh.token_data.cryptogram = base64.b64encode(bytes(20)).decode()
    first = await pair.begun()
    with pytest.raises(InProgress):
        await asked_again(pair.second, SUBMIT, fresh)
    pair.held.released.set()
    assert await first == await pair.second.ask(SUBMIT, fresh)
    assert len(house.network.asked) == 1


# The shop.


class ManyCryptograms(Tsp):
    """Makes another cryptogram each time."""

    def __init__(self) -> None:
        super().__init__()
        self._made = count(1)

    async def RequestCryptogram(self, request, call):
        await self._considered(request, call)
        cryptogram = base64.b64encode(next(self._made).to_bytes(20, "big")).decode()
        return RequestCryptogramResponse(response_code="00", cryptogram=cryptogram, eci="07")


class Street(MerchantHouse):
    """Two instances of a shop, and a real acquirer with its network."""

    def __init__(self, server: EmbeddedStore, acquirers: AcquirerHouse) -> None:
        super().__init__(server)
        self.network = acquirers.network
        self.tsp = ManyCryptograms()
        self.acquirer = acquirers.start()  # type: ignore[assignment] # it has a border, and no more is asked of it
        self.clock = acquirers.clock
        self.first, self.second = self.start(), self.start()

    async def order(self) -> Any:
        on_file = (await self.first.calls.SaveCard(card())).card_on_file_id
        return order(card_on_file_id=on_file)

    async def later(self, by_s: float = 3.0) -> None:
        """Let time pass, and what is due then go out: the shop's first."""
        await self.second.later(by_s)
        await self.acquirer.later(0)


@pytest.fixture
async def street(server: EmbeddedStore, house: AcquirerHouse, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Street]:
    monkeypatch.setattr(shop, "LOOK_AGAIN_S", 0.01)
    async with Street(server, house) as street:
        yield street


def told_to_wait(shop: Process) -> asyncio.Event:
    """Set when the acquirer has told a shop that the payment is under way."""
    told, link = asyncio.Event(), shop.links[0]
    call = link.call

    async def noted(*asked: Any) -> bytes:
        try:
            return await call(*asked)
        except InProgress:
            told.set()
            raise

    link.call = noted  # type: ignore[method-assign,assignment]
    return told


async def test_the_shop_s_second_instance_waits_for_the_answer_to_what_the_first_sent(street: Street) -> None:
    request, held = await street.order(), Held()
    street.network.then = held
    first = asyncio.create_task(street.first.ask(CHECKOUT, request))
    await held.has_one_waiting()
    told = told_to_wait(street.second)
    second = asyncio.create_task(asked_again(street.second, CHECKOUT, request))
    async with ample():
        await told.wait()
    assert not second.done()
    held.released.set()

    answer = await second
    assert CheckoutResponse.FromString(answer).approved
    [ended] = await asyncio.gather(first, return_exceptions=True)  # which of the two was earlier, is chance
    assert ended == answer or getattr(ended, "reason", "") == "TAKEN_UP"
    assert await street.first.ask(CHECKOUT, request) == answer
    assert len(street.network.asked) == len(street.network.holds) == 1
    await street.later(1_000)
    assert street.network.given_back == []


async def test_a_shop_s_instance_that_comes_late_gets_the_answer_that_there_is(street: Street) -> None:
    request, held = await street.order(), Held()
    street.tsp.then = held
    first = asyncio.create_task(street.first.ask(CHECKOUT, request))
    await held.has_one_waiting()  # it stands still before it has sent anything
    answer = await asked_again(street.second, CHECKOUT, request)
    held.released.set()
    assert await first == answer
    assert len(street.network.asked) == 1


async def test_a_second_instance_without_a_cryptogram_has_what_the_first_did_taken_back(street: Street) -> None:
    request, held = await street.order(), Held()
    street.network.then = held
    first = asyncio.create_task(street.first.ask(CHECKOUT, request))
    await held.has_one_waiting()
    street.tsp.fault = Overloaded("BUSY", "busy")
    with pytest.raises(Overloaded):
        await asked_again(street.second, CHECKOUT, request)
    held.released.set()
    with pytest.raises(Unavailable):
        await first
    await street.later()
    await street.later()
    assert street.network.holds == {}
    with pytest.raises(Unavailable, match="new key"):
        await street.first.ask(CHECKOUT, request)


async def test_whoever_waits_in_vain_until_the_deadline_has_it_taken_back(street: Street) -> None:
    request, held = await street.order(), Held()
    street.network.then = held
    first = asyncio.create_task(street.first.ask(CHECKOUT, request))
    await held.has_one_waiting()
    told = told_to_wait(street.second)
    second = asyncio.create_task(asked_again(street.second, CHECKOUT, request))
    async with ample():
        await told.wait()
    leap(CALLER_S)
    with pytest.raises(TimedOut):
        await second
    await street.second.border.drain()
    held.released.set()
    await asyncio.gather(first, return_exceptions=True)
    await street.later()
    await street.later()
    assert street.network.holds == {}
