"""What the acquirer keeps when its merchant, its store or it itself fails half-way: no hold that nobody was told of."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from houses import CALLER_S, NEIGHBOUR_S, AcquirerHouse, payment, reversal
from leap import leap
from neighbours import CRYPTOGRAM, TOKEN, emptied, env, hang
from patience import STORE_TIMEOUT_S, ample

from cardnet.call import Call
from cardnet.client import Channel
from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import Fault, InProgress, NotPermitted, Unavailable
from cardnet.journal import ABANDONED_AFTER_S, LIBRARY
from cardnet.store import Store
from cardnet.v1.acquirer_pb2 import ReversePaymentResponse, SubmitPaymentResponse
from cardnet.v1.acquirer_pb2_grpc import AcquirerStub
from cardnet.v1.network_pb2 import RouteAuthorisationResponse
from cardnet.wire import InProcessLink
from services.acquirer.app import Config, build

DONE = ReversePaymentResponse(response_code="00")
TOO_LATE = SubmitPaymentResponse(payment_token=TOKEN, response_code="68")


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedStore]:
    with EmbeddedStore.start(None, ("acquirer",)) as server:
        yield server


@pytest.fixture
async def house(server: EmbeddedStore) -> AsyncIterator[AcquirerHouse]:
    await emptied(server)
    async with AcquirerHouse(server) as house:
        yield house


async def test_a_payment_is_taken_back_once_however_often_that_is_asked(house) -> None:
    acquirer = house.start()
    await acquirer.calls.SubmitPayment(payment())
    for _ in range(3):
        assert await acquirer.calls.ReversePayment(reversal()) == DONE
        await acquirer.later()
    assert house.network.given_back == [house.network.asked[0].transaction.SerializeToString()]
    assert house.network.holds == {}
    assert await acquirer.calls.SubmitPayment(payment()) == TOO_LATE


async def test_a_payment_that_comes_after_its_reversal_never_reaches_the_network(house) -> None:
    acquirer = house.start()
    assert await acquirer.calls.ReversePayment(reversal()) == DONE
    assert await acquirer.calls.SubmitPayment(payment()) == TOO_LATE
    assert await acquirer.calls.SubmitPayment(payment("order-2")) != TOO_LATE
    await acquirer.later()
    assert len(house.network.asked) == 1
    assert house.network.given_back == []


async def test_an_approval_that_comes_after_the_reversal_is_told_to_nobody(house) -> None:
    acquirer = house.start()

    async def taken_back_meanwhile(_response: RouteAuthorisationResponse, _call: Call) -> None:
        with pytest.raises(InProgress):
            await acquirer.calls.SubmitPayment(payment())
        await acquirer.calls.ReversePayment(reversal())
        await acquirer.later()

    house.network.then = taken_back_meanwhile
    with pytest.raises(Unavailable, match="given back"):
        await acquirer.calls.SubmitPayment(payment())
    assert house.network.holds == {}


@pytest.mark.parametrize("merchant_id", ["MERCHANT0000002", "MERCHANT9999999"])
async def test_nobody_takes_another_merchant_s_payment_back(house, merchant_id) -> None:
    with pytest.raises(NotPermitted):
        await house.start().calls.ReversePayment(reversal(merchant_id=merchant_id))


async def test_a_closed_merchant_can_still_give_back(house) -> None:
    assert await house.start().calls.ReversePayment(reversal(merchant_id="MERCHANT0000003")) == DONE


@pytest.mark.parametrize("code", ["25", "64"])
async def test_a_reversal_of_what_the_network_does_not_hold_is_settled_and_noted(house, code, caplog) -> None:
    acquirer = house.start()
    await acquirer.calls.SubmitPayment(payment())
    house.network.reversal_answers = [code]
    await acquirer.calls.ReversePayment(reversal())
    await acquirer.later()
    await acquirer.later()
    assert len(house.network.given_back) == 1
    assert f"answered {code} to a reversal" in caplog.text
    assert TOKEN not in caplog.text and "order-1" not in caplog.text


async def test_a_payment_of_a_process_that_died_is_taken_back_by_the_next(house) -> None:
    dead, waiting = house.start(), asyncio.Event()

    async def dies(_response: RouteAuthorisationResponse, _call: Call) -> None:
        waiting.set()
        await asyncio.Event().wait()

    house.network.then = dies
    cut_off = asyncio.create_task(dead.calls.SubmitPayment(payment()))
    async with ample():
        await waiting.wait()
    await dead.store.close()
    dead.journal.finish = dead.journal.give_up = dead.journal.forget = None  # from here on it does nothing more
    leap(CALLER_S)
    with pytest.raises(Fault):
        await cut_off

    after = house.start()
    await after.later(ABANDONED_AFTER_S - 1)
    assert house.network.given_back == []
    await after.later(1)
    assert house.network.given_back == [house.network.asked[0].transaction.SerializeToString()]
    assert house.network.holds == {}
    assert await after.calls.SubmitPayment(payment()) == TOO_LATE


async def test_without_its_store_nothing_is_begun_and_with_it_all_is_well(house, server) -> None:
    acquirer = house.start()
    await acquirer.calls.SubmitPayment(payment("before"))
    server.kill()
    for call in (acquirer.calls.SubmitPayment(payment()), acquirer.calls.ReversePayment(reversal("before"))):
        with pytest.raises(Unavailable):
            await call
    assert len(house.network.asked) == 1

    server.restart()
    assert (await acquirer.calls.SubmitPayment(payment())).response_code == "00"
    assert (await acquirer.calls.SubmitPayment(payment("before"))).transaction.stan == "000001"
    assert len(house.network.asked) == 2


async def test_a_store_that_stops_while_the_network_decides_leaves_no_hold(house, server) -> None:
    acquirer = house.start()

    async def store_dies(_response: RouteAuthorisationResponse, _call: Call) -> None:
        server.kill()

    house.network.then = store_dies
    with pytest.raises(Unavailable):
        await acquirer.calls.SubmitPayment(payment())
    server.restart()
    house.network.then = None
    assert sum(house.network.holds.values()) == 1250
    await acquirer.later(ABANDONED_AFTER_S)
    assert house.network.holds == {}


async def test_the_store_never_sees_a_cryptogram_and_no_key_names_a_token(house, server) -> None:
    acquirer = house.start()
    await acquirer.calls.SubmitPayment(payment())
    admin = Store(server.admin_url, LIBRARY, owner="test", timeout_s=STORE_TIMEOUT_S)
    keys = await admin.command("KEYS", "*")
    [entry] = [key for key in keys if b":entry:" in key]
    kept = b"".join((await admin.command("HGETALL", entry)).values())
    await admin.close()
    assert TOKEN.encode() in kept  # the reversal needs it
    assert CRYPTOGRAM.encode() not in kept
    assert not any(TOKEN.encode() in key for key in keys)


async def test_a_whole_acquirer_sends_reversals_by_itself(house, server) -> None:
    config = Config(
        redis_url=server.url("acquirer"),
        store_timeout_s=STORE_TIMEOUT_S,
        network="the network's address",
        network_timeout_s=NEIGHBOUR_S,
    )
    service = build(config, env(), [], lambda name, _address: InProcessLink(name, house.network.border, "acquirer"))
    await service.start()
    house.network.then = hang
    link = InProcessLink("acquirer", service.border, "merchant")
    merchant = AcquirerStub(Channel(link, env(), timeout_s=25))
    with pytest.raises(Unavailable):
        await merchant.SubmitPayment(payment())
    async with ample():
        await house.network.reversed.wait()
    await service.stop()
    await house.network.border.drain()
    assert house.network.holds == {}
