"""Who is let in to what: every identity against every method, at every door."""

import grpc
import grpc.aio
import pytest
import pytest_asyncio
from attack import BY_PATH, door, through
from patience import patient

from cardnet.authority import Authority
from cardnet.certificates import AUTHORITIES, channel_credentials
from cardnet.env import Clock
from cardnet.identity import NAMES, Door
from cardnet.testing import LocalNetwork

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network():
    async with LocalNetwork(in_process=True, fronts=True, settings=patient()) as network:
        yield network


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
    "/cardnet.v1.TokenService/GetEncryptionKey": f"cardholder {_MERCHANTS} wallet",
    "/cardnet.v1.TokenService/RequestToken": f"{_MERCHANTS} wallet",
    "/cardnet.v1.TokenService/ConfirmCardholder": f"{_MERCHANTS} wallet",
    "/cardnet.v1.TokenService/RequestCryptogram": _MERCHANTS,
    "/cardnet.v1.TokenService/ProvideTokenizedCard": "wallet",
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
    "/cardnet.v1.Traces/GetSpans": "cardholder",
    "/cardnet.v1.Traces/ListTraces": "cardholder",
    "/cardnet.v1.Traces/FollowTraces": "cardholder",
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
    async with LocalNetwork(in_process=True, fronts=True, admin=False, settings=patient()) as network:
        assert not network.admin_addresses
        for path in LET_IN:
            if doors_of(path) == (Door.ADMIN,):
                async with door(network, BY_PATH[path].home, "operator", Door.BUSINESS) as channel:
                    assert (await through(channel, path, b"\xff")).code == "UNIMPLEMENTED"


@pytest.mark.parametrize("path", ["/cardnet.cde.v1.Issuer/Authorise", "/cardnet.v1.Merchant/Nothing", "/x/y"])
async def test_what_a_service_does_not_offer_is_not_there(network, path):
    async with door(network, "merchant", "cardholder") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channel.unary_unary(path)(b"", timeout=25)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
