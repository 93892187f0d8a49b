"""What every call passes on its way in: who calls, until when, how much; and what a bug may say on its way out."""

import asyncio
import logging
import re

import grpc
import pytest
import pytest_asyncio
from attack import BY_PATH, METHODS, door, over_the_wire, through
from bad_input import PAN, good
from google.protobuf.message import Message

from cardnet.authority import Authority
from cardnet.border import Border
from cardnet.certificates import AUTHORITIES, channel_credentials
from cardnet.env import Clock, Env
from cardnet.errors import Fault
from cardnet.identity import NAMES, Door
from cardnet.testing import LocalNetwork
from cardnet.trace import Recorder
from cardnet.v1.merchant_pb2 import CheckoutRequest, CheckoutResponse
from cardnet.v1.merchant_pb2_grpc import MerchantServicer, add_MerchantServicer_to_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHECKOUT = "/cardnet.v1.Merchant/Checkout"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network():
    async with LocalNetwork(in_process=True, fronts=True) as network:
        yield network


# Who calls.

_MERCHANTS, _ISSUERS = "merchant other-merchant", "issuer other-issuer"
_PARTIES = f"{_MERCHANTS} {_ISSUERS} operator"

LET_IN = {
    "/cardnet.v1.Merchant/SaveCard": "cardholder",
    "/cardnet.v1.Merchant/ConfirmCard": "cardholder",
    "/cardnet.v1.Merchant/Checkout": "cardholder",
    "/cardnet.v1.Acquirer/SubmitPayment": _MERCHANTS,
    "/cardnet.v1.Acquirer/ReversePayment": _MERCHANTS,
    "/cardnet.v1.Network/RouteAuthorisation": "acquirer",
    "/cardnet.v1.Network/RouteReversal": "acquirer",
    "/cardnet.v1.TokenService/GetEncryptionKey": f"cardholder {_MERCHANTS}",
    "/cardnet.v1.TokenService/RequestToken": _MERCHANTS,
    "/cardnet.v1.TokenService/ConfirmCardholder": _MERCHANTS,
    "/cardnet.v1.TokenService/RequestCryptogram": _MERCHANTS,
    "/cardnet.v1.TokenLifecycle/SuspendToken": _PARTIES,
    "/cardnet.v1.TokenLifecycle/ResumeToken": _PARTIES,
    "/cardnet.v1.TokenLifecycle/ActivateToken": f"{_ISSUERS} operator",
    "/cardnet.v1.TokenLifecycle/UnlinkToken": _PARTIES,
    "/cardnet.v1.TokenLifecycle/UpdateTokenAttributes": _PARTIES,
    "/cardnet.v1.TokenLifecycle/GetToken": _PARTIES,
    "/cardnet.v1.TokenNotifications/FollowTokens": _MERCHANTS,
    "/cardnet.cde.v1.TokenVault/Detokenise": "network",
    "/cardnet.cde.v1.TokenVault/RecallTransaction": "network",
    "/cardnet.cde.v1.TokenVault/FindTransaction": "network",
    "/cardnet.cde.v1.TokenDisclosure/DetokeniseWithoutVerification": "discloser",
    "/cardnet.cde.v1.PanLifecycle/ReplacePan": f"{_ISSUERS} operator",
    "/cardnet.cde.v1.PanLifecycle/UpdatePanExpiry": f"{_ISSUERS} operator",
    "/cardnet.cde.v1.PanLifecycle/ReportPanLost": f"{_ISSUERS} operator",
    "/cardnet.cde.v1.PanLifecycle/EnquirePar": f"{_ISSUERS} operator network",
    "/cardnet.cde.v1.TokenOperator/ListTokens": "operator",
    "/cardnet.cde.v1.TokenOperator/ListRequestors": "operator",
    "/cardnet.cde.v1.TokenOperator/RegisterRequestor": "operator",
    "/cardnet.cde.v1.TokenOperator/SetWebhook": "operator",
    "/cardnet.cde.v1.TokenOperator/Unseal": "operator",
    "/cardnet.cde.v1.TokenOperator/ListKeys": "operator",
    "/cardnet.cde.v1.TokenOperator/RotateKey": "operator",
    "/cardnet.cde.v1.TokenOperator/BackUpVault": "operator",
    "/cardnet.cde.v1.TokenOperator/RestoreVault": "operator",
    "/cardnet.cde.v1.Issuer/Authorise": "network",
    "/cardnet.cde.v1.Issuer/Reverse": "network",
    "/cardnet.cde.v1.Issuer/VerifyAccount": "tsp",
    "/cardnet.cde.v1.Issuer/CheckPasscode": "tsp",
    "/cardnet.cde.v1.IssuerOperator/OpenAccount": "operator",
    "/cardnet.cde.v1.IssuerOperator/GetAccount": "operator",
    "/cardnet.cde.v1.IssuerOperator/ReadPasscode": "operator",
    "/cardnet.v1.Traces/GetTrace": "cardholder",
    "/cardnet.v1.Traces/ListTraces": "cardholder",
}
OPERATORS = {"operator", "discloser"}
AT_BOTH_DOORS = ("TokenLifecycle", "PanLifecycle")
AT_THE_ADMIN_DOOR = ("TokenOperator", "TokenDisclosure", "IssuerOperator")


def doors_of(path: str) -> tuple[Door, ...]:
    service = path.split("/")[1].rpartition(".")[2]
    if service in AT_BOTH_DOORS:
        return Door.BUSINESS, Door.ADMIN
    return (Door.ADMIN,) if service in AT_THE_ADMIN_DOOR else (Door.BUSINESS,)


def verdict(path: str, caller: str, door: Door) -> str:
    """What a caller gets for bytes that are no message: who may not call does not even learn that."""
    if door not in doors_of(path):
        return "UNIMPLEMENTED"
    comes_in_here = (caller in OPERATORS) is (door is Door.ADMIN)
    return "INVALID_ARGUMENT" if comes_in_here and caller in LET_IN[path].split() else "PERMISSION_DENIED"


async def test_the_matrix_has_every_method():
    assert set(LET_IN) == set(BY_PATH)


@pytest.mark.parametrize("home", ["merchant", "acquirer", "network", "tsp", "issuer", "collector"])
@pytest.mark.parametrize("at", Door)
async def test_at_each_door_a_method_answers_those_alone_who_may_call_it(network, home, at):
    if at is Door.ADMIN and home not in network.admin_addresses:
        return  # it has no such door
    found, expected = {}, {}
    for caller in NAMES:
        async with door(network, home, caller, at) as channel:
            for path, method in BY_PATH.items():
                if method.home == home:
                    found[caller, path] = (await through(channel, path, b"\xff")).code
                    expected[caller, path] = verdict(path, caller, at)
    assert found == expected


@pytest.mark.parametrize("name", ["merchant", "operator", "network"])
async def test_who_belongs_to_another_network_is_nobody_here(network, name):
    # The same authority certifies it, so that only the name tells.
    method = {"merchant": "/cardnet.v1.Acquirer/ReversePayment", "network": "/cardnet.cde.v1.Issuer/Authorise"}
    path = method.get(name, "/cardnet.cde.v1.IssuerOperator/GetAccount")
    authority = Authority(Clock().now(), trust_domain="elsewhere.test")
    home = BY_PATH[path].home
    shown = network.presented(home)
    believed = shown.folder / AUTHORITIES
    before = believed.read_bytes()
    believed.write_bytes(before + authority.certificate)
    try:
        papers = authority.papers(name)._replace(authorities=before)
        address = (network.admin_addresses if name == "operator" else network.addresses)[home]
        options = (("grpc.ssl_target_name_override", home),)
        async with grpc.aio.secure_channel(address, channel_credentials(papers), options=options) as channel:
            outcome = await through(channel, path, b"\xff")
    finally:
        believed.write_bytes(before)
    assert (outcome.code, outcome.reason) == ("UNAUTHENTICATED", "IDENTITY_UNKNOWN")


async def test_a_name_in_a_message_is_no_name(network):
    async with door(network, "issuer", "merchant") as channel:
        for metadata in ({"x-cardnet-caller": "network"}, {"x-cardnet-credential": "network"}, {"from": "network"}):
            outcome = await through(channel, "/cardnet.cde.v1.Issuer/Authorise", b"\xff", metadata=metadata)
            assert (outcome.code, outcome.reason) == ("PERMISSION_DENIED", "CALLER_NOT_PERMITTED")


async def test_without_an_admin_door_what_operators_call_is_nowhere():
    async with LocalNetwork(in_process=True, fronts=True, admin=False) as network:
        assert not network.admin_addresses
        for path in LET_IN:
            if doors_of(path) == (Door.ADMIN,):
                async with door(network, BY_PATH[path].home, "operator", Door.BUSINESS) as channel:
                    assert (await through(channel, path, b"\xff")).code == "UNIMPLEMENTED"


@pytest.mark.parametrize("path", ["/cardnet.cde.v1.Issuer/Authorise", "/cardnet.v1.Merchant/Nothing", "/x/y"])
async def test_what_a_service_does_not_offer_is_not_there(network, path):
    async with door(network, "merchant", "cardholder") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channel.unary_unary(path)(b"", timeout=5)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


# Until when.


ONCE, STREAMS = [method for method in METHODS if not method.streams], [method for method in METHODS if method.streams]


@pytest.mark.parametrize("method", ONCE, ids=lambda method: method.path)
async def test_a_call_needs_a_deadline_of_at_most_thirty_seconds(network, method):
    data = good(method.request).SerializeToString()
    for timeout_s, reason in ((None, "DEADLINE_REQUIRED"), (31.5, "DEADLINE_TOO_LONG"), (86_400, "DEADLINE_TOO_LONG")):
        outcome = await over_the_wire(network, method.path, data, timeout_s=timeout_s)
        assert (outcome.code, outcome.reason) == ("INVALID_ARGUMENT", reason)
        assert "30 s" in outcome.sentence
    assert (await over_the_wire(network, method.path, b"\xff", timeout_s=30)).reason == "UNREADABLE_MESSAGE"


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
