"""What every call passes on its way in: until when, how much; and what a bug may say on its way out."""

import asyncio
import logging
import re

import grpc
import pytest
import pytest_asyncio
from attack import METHODS, over_the_wire
from bad_input import PAN, good
from google.protobuf.message import Message
from patience import patient

from cardnet.border import Border
from cardnet.env import Env
from cardnet.errors import Fault, Malformed
from cardnet.identity import Door
from cardnet.recorder import Recorder
from cardnet.testing import LocalNetwork
from cardnet.v1.merchant_pb2 import CheckoutRequest, CheckoutResponse
from cardnet.v1.merchant_pb2_grpc import MerchantServicer, add_MerchantServicer_to_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHECKOUT = "/cardnet.v1.Merchant/Checkout"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network():
    async with LocalNetwork(in_process=True, fronts=True, settings=patient()) as network:
        yield network


# Until when.


ONCE, STREAMS = [method for method in METHODS if not method.streams], [method for method in METHODS if method.streams]


@pytest.mark.parametrize("method", ONCE, ids=lambda method: method.path)
async def test_a_call_needs_a_deadline_of_at_most_thirty_seconds(network, method):
    data = good(method.request).SerializeToString()
    # Of a deadline is gone, when it arrives, what the connection took to come about.
    for timeout_s, reason in ((None, "DEADLINE_REQUIRED"), (300, "DEADLINE_TOO_LONG"), (86_400, "DEADLINE_TOO_LONG")):
        outcome = await over_the_wire(network, method.path, data, timeout_s=timeout_s)
        assert (outcome.code, outcome.reason) == ("INVALID_ARGUMENT", reason)
        assert "30 s" in outcome.sentence
    assert (await over_the_wire(network, method.path, b"\xff", timeout_s=30)).reason == "UNREADABLE_MESSAGE"


async def test_a_deadline_of_a_second_more_is_let_pass_and_a_longer_one_is_not():
    border = border_before(Clumsy())
    for timeout_s, reason in ((31.0, "UNREADABLE_MESSAGE"), (31.5, "DEADLINE_TOO_LONG")):
        with pytest.raises(Malformed) as told:
            await border.answer(CHECKOUT, b"\xff", "cardholder", {}, timeout_s)
        assert told.value.reason == reason


@pytest.mark.parametrize("method", STREAMS, ids=lambda method: method.path)
async def test_a_stream_needs_no_deadline_and_takes_one_of_a_day(network, method):
    data = good(method.request).SerializeToString()
    outcome = await over_the_wire(network, method.path, data, timeout_s=25 * 3600)
    assert (outcome.code, outcome.reason) == ("INVALID_ARGUMENT", "DEADLINE_TOO_LONG")
    assert "24 h" in outcome.sentence
    for timeout_s in (24 * 3600, None):
        assert (await over_the_wire(network, method.path, b"\xff", timeout_s=timeout_s)).reason == "UNREADABLE_MESSAGE"


# How much.


async def test_a_message_of_16_kib_is_read_and_a_longer_one_is_not(network):
    largest = b"\xff" * 16_384
    assert (await over_the_wire(network, CHECKOUT, largest)).code == "INVALID_ARGUMENT"
    for data in (largest + b"x", b"x" * 100_000, b"x" * 5_000_000):
        assert (await over_the_wire(network, CHECKOUT, data)).code == "RESOURCE_EXHAUSTED"


async def test_a_small_message_that_unpacks_to_a_large_one_is_not_read(network):
    outcome = await over_the_wire(network, CHECKOUT, bytes(2_000_000), compression=grpc.Compression.Gzip)
    assert outcome.code == "RESOURCE_EXHAUSTED"


async def test_too_much_metadata_is_refused_every_time(network):
    # Above its soft limit gRPC refuses at random, the likelier the more there is; ours is a hard one.
    for size in (8_300, 8_300, 8_300, 12_000, 2_000_000):
        outcome = await over_the_wire(network, CHECKOUT, b"", metadata={"x-note": "v" * size})
        assert outcome.code == "RESOURCE_EXHAUSTED", size


@pytest.mark.parametrize(
    "place", ["", "00", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "00-" + "G" * 32 + "-x-01", "v" * 4000]
)
async def test_a_traceparent_that_is_none_is_left_alone(network, place):
    outcome = await over_the_wire(network, CHECKOUT, b"", metadata={"traceparent": place})
    assert outcome.violations == (("idempotency_key", "must be given"),)


# What a bug may say.


class Clumsy(MerchantServicer):
    """A servicer with a bug of the worst kind: its exception has a PAN in it."""

    def __init__(self) -> None:
        self.began, self.go_on = asyncio.Event(), asyncio.Event()

    async def Checkout(self, request, call):
        self.began.set()
        await self.go_on.wait()
        try:
            raise KeyError(PAN)
        except KeyError:
            raise ValueError(f"bad pan {PAN}") from None


def border_before(servicer: Clumsy) -> Border:
    border = Border(Env.of("merchant"), Door.BUSINESS, Recorder("merchant", ()))
    add_MerchantServicer_to_server(servicer, border)
    return border


def order() -> bytes:
    request: Message = good(CheckoutRequest)
    assert isinstance(request, CheckoutRequest)
    return request.SerializeToString()


async def test_a_bug_is_told_by_a_reference_and_by_nothing_else(caplog):
    servicer = Clumsy()
    servicer.go_on.set()
    with pytest.raises(Fault) as told:
        await border_before(servicer).answer(CHECKOUT, order(), "cardholder", {}, 5.0)
    assert told.value.reason == "INTERNAL"
    reference = re.fullmatch(
        "an error inside cardnet; the service's log has it under ([0-9a-f]{8})", told.value.sentence
    )
    assert reference and reference[1] in caplog.text
    assert "ValueError" in caplog.text
    assert PAN not in caplog.text + repr(told.value) + str(told.value.__cause__)
    assert re.fullmatch("[0-9a-f]{32}", told.value.trace_id)


async def test_a_bug_that_nobody_waits_for_any_more_is_not_printed_by_the_event_loop(caplog):
    servicer = Clumsy()
    border = border_before(servicer)
    with caplog.at_level(logging.DEBUG):
        asking = asyncio.create_task(border.answer(CHECKOUT, order(), "cardholder", {}, 5.0))
        await servicer.began.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        servicer.go_on.set()
        await border.drain()
        await asyncio.sleep(0)
    assert PAN not in caplog.text


class Patient(MerchantServicer):
    """Finishes what it began, whoever has gone."""

    def __init__(self) -> None:
        self.began, self.go_on, self.finished = asyncio.Event(), asyncio.Event(), False

    async def Checkout(self, request, call):
        self.began.set()
        await self.go_on.wait()
        self.finished = True
        return CheckoutResponse(response_code="00", notice="done", trace_id=call.trace.trace_id)


async def test_a_caller_who_goes_away_does_not_stop_a_payment_half_way():
    servicer = Patient()
    border = border_before(servicer)
    asking = asyncio.create_task(border.answer(CHECKOUT, order(), "cardholder", {}, 5.0))
    await servicer.began.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    servicer.go_on.set()
    await border.drain()
    assert servicer.finished
