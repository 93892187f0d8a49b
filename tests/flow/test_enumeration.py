"""Who looks for tokens: what is unknown, what is somebody else's and what is no name at all get one answer."""

from asyncio import gather
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

import grpc.aio
import pytest
import pytest_asyncio
from parties import Parties
from patience import patient
from refusals import altered
from shop import ON_FILE, SHOP, Shop, changed

from cardnet.env import Clock
from cardnet.errors import Overloaded
from cardnet.identity import MERCHANT, OPERATOR
from cardnet.response_code import ResponseCode as Code
from cardnet.stage import OTHER_MERCHANT, OTHER_SHOP
from cardnet.status import DETAILS_KEY
from cardnet.testing import LocalNetwork
from cardnet.v1.payment_pb2 import MerchantData, TokenData
from cardnet.v1.token_lifecycle_pb2 import (
    ChangeTokenRequest,
    FollowTokensRequest,
    GetTokenRequest,
    TokenName,
    UpdateTokenAttributesRequest,
)
from cardnet.v1.token_pb2 import CAUSE_OTHER
from cardnet.v1.token_service_pb2 import ConfirmCardholderRequest, RequestCryptogramRequest, RequestTokenRequest

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNKNOWN = "9999400000000014"
PLACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
"""Each call is made in this one trace, for a status names its call's: all else of it is to be the same."""

LIFECYCLE, SERVICE = "/cardnet.v1.TokenLifecycle/", "/cardnet.v1.TokenService/"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network() -> AsyncIterator[LocalNetwork]:
    # A clock that stands, so that the requests below name the tokens' right expiry.
    frozen_at = "2026-01-15T09:00:00Z"
    async with LocalNetwork(in_process=True, fronts=True, frozen_at=frozen_at, settings=patient()) as network:
        yield network


class Heard(NamedTuple):
    """All that comes back over the wire: the answer's bytes, or the status with its words and details."""

    answer: bytes
    code: str = ""
    words: str = ""
    details: bytes = b""


async def heard(network: LocalNetwork, as_: str, path: str, request: Any) -> Heard:
    async with network.grpc_channel("tsp", as_) as channel:
        try:
            call = channel.unary_unary(path)
            return Heard(await call(request.SerializeToString(), timeout=25, metadata=(("traceparent", PLACE),)))
        except grpc.aio.AioRpcError as error:
            details = dict(tuple(error.trailing_metadata() or ()))[DETAILS_KEY]
            return Heard(b"", error.code().name, error.details() or "", bytes(details))


def _change(**name: str) -> ChangeTokenRequest:
    return ChangeTokenRequest(token=TokenName(**name), cause=CAUSE_OTHER)


def _update(**name: str) -> UpdateTokenAttributesRequest:
    return UpdateTokenAttributesRequest(token=TokenName(**name), token_expiry="3001")


def _get(**name: str) -> GetTokenRequest:
    return GetTokenRequest(token=TokenName(**name))


def _another(**name: str) -> RequestTokenRequest:
    return RequestTokenRequest(token_requestor_id=ON_FILE, token=TokenName(**name), token_expiry="2901")


def _cryptogram(**name: str) -> RequestCryptogramRequest:
    return RequestCryptogramRequest(
        token_requestor_id=ON_FILE, merchant=SHOP, amount_minor=1240, currency="840", token_expiry="2901", **name
    )


def _confirm(token_reference_id: str) -> ConfirmCardholderRequest:
    return ConfirmCardholderRequest(
        token_requestor_id=ON_FILE, token_reference_id=token_reference_id, passcode="135790"
    )


BY_EITHER: dict[str, Callable[..., Any]] = {
    **{f"{LIFECYCLE}{event}Token": _change for event in ("Suspend", "Resume", "Unlink")},
    f"{LIFECYCLE}UpdateTokenAttributes": _update,
    f"{LIFECYCLE}GetToken": _get,
    f"{SERVICE}RequestToken": _another,
    f"{SERVICE}RequestCryptogram": _cryptogram,
}
"""The methods at the edge that are told a token, by its number or its reference."""
BY_REFERENCE = {**BY_EITHER, f"{SERVICE}ConfirmCardholder": _confirm}
AS_ISSUER = {path: request for path, request in BY_EITHER.items() if path.startswith(LIFECYCLE)} | {
    f"{LIFECYCLE}ActivateToken": _change
}


class Prey(NamedTuple):
    """Tokens of the other shop in every state, by number and reference."""

    numbers: list[str]
    references: list[str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def prey(network: LocalNetwork) -> Prey:
    parties, shop = Parties(network), Shop(network, identity=OTHER_MERCHANT)
    tokens = [await shop.new_token(OTHER_SHOP) for _ in range(3)]
    await parties.ask(OPERATOR, "Suspend", tokens[1])
    await parties.ask(OPERATOR, "Unlink", tokens[2])
    return Prey(
        [token.payment_token for token in tokens], [(await parties.shown(token)).token_reference_id for token in tokens]
    )


@pytest.mark.parametrize("path", BY_EITHER)
async def test_a_number_that_is_not_the_callers_is_as_unknown_as_none(
    network: LocalNetwork, prey: Prey, path: str
) -> None:
    requests = [BY_EITHER[path](payment_token=number) for number in (UNKNOWN, *prey.numbers, UNKNOWN)]

    assert len({await heard(network, MERCHANT, path, request) for request in requests}) == 1


@pytest.mark.parametrize("path", BY_REFERENCE)
async def test_a_reference_that_is_not_the_callers_is_as_unknown_as_none_and_as_no_reference(
    network: LocalNetwork, prey: Prey, path: str
) -> None:
    made_up = ["0" * 32, "f" * 32, "key-1", prey.references[0].upper() + "F", "tsp:{0}:record", "*", "}:record"]
    requests = [BY_REFERENCE[path](token_reference_id=name) for name in (*made_up, *prey.references)]

    assert len({await heard(network, MERCHANT, path, request) for request in requests}) == 1


@pytest.mark.parametrize("path", AS_ISSUER)
async def test_another_issuers_token_is_as_unknown_as_none(network: LocalNetwork, prey: Prey, path: str) -> None:
    ask = AS_ISSUER[path]
    requests = [ask(payment_token=number) for number in (UNKNOWN, *prey.numbers)]
    requests += [ask(token_reference_id=reference) for reference in ("f" * 32, *prey.references)]

    assert len({await heard(network, "other-issuer", path, request) for request in requests}) == 1


@pytest.mark.parametrize("path", BY_REFERENCE)
async def test_the_callers_own_token_gets_another_answer(network: LocalNetwork, path: str) -> None:
    own = await Parties(network).shown(await Shop(network).new_token())

    asked = [BY_REFERENCE[path](token_reference_id=name) for name in (own.token_reference_id, "f" * 32)]
    mine, nobodys = [await heard(network, MERCHANT, path, request) for request in asked]

    assert mine != nobodys
    assert nobodys.answer and b"14" in nobodys.answer


@pytest.mark.parametrize(
    ("path", "request_"),
    [
        (f"{SERVICE}RequestToken", _another(payment_token=UNKNOWN)),
        (f"{SERVICE}RequestCryptogram", _cryptogram(payment_token=UNKNOWN)),
        (f"{SERVICE}ConfirmCardholder", _confirm("f" * 32)),
        ("/cardnet.v1.TokenNotifications/FollowTokens", FollowTokensRequest(token_requestor_id=ON_FILE)),
    ],
    ids=lambda value: value.rpartition("/")[2] if isinstance(value, str) else "",
)
async def test_another_shops_identifier_is_as_unknown_as_none(network: LocalNetwork, path: str, request_: Any) -> None:
    requests = [changed(request_, token_requestor_id=id_) for id_ in (OTHER_SHOP, "00099999999", "99999999999")]

    answers = {await heard(network, MERCHANT, path, request) for request in requests}

    assert {(one.code, one.answer) for one in answers} == {("PERMISSION_DENIED", b"")}
    assert len(answers) == 1


# At the shop, where a payment is the question.


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reticent() -> AsyncIterator[LocalNetwork]:
    """One that tells acquirers no more than real networks do."""
    async with LocalNetwork(in_process=True, settings=patient({"tsp": {"answers_alike": "1"}})) as network:
        yield network


async def test_where_answers_are_alike_no_payment_tells_why_a_token_is_refused(reticent: LocalNetwork) -> None:
    shop = Shop(reticent)
    stolen = await Shop(reticent, identity=OTHER_MERCHANT).new_token(OTHER_SHOP)
    guessed = await shop.with_cryptogram(await shop.new_token())
    probes = [
        TokenData(payment_token=UNKNOWN, token_expiry="2901"),
        stolen,
        changed(stolen, token_requestor_id=""),
        changed(guessed, cryptogram=altered(guessed.cryptogram, 1)),
        changed(await shop.new_token(), token_requestor_id=OTHER_SHOP),
    ]

    payments = [await shop.checkout(probe) for probe in probes]

    assert {payment.response_code for payment in payments} == {Code.INVALID_CARD}
    shown = [[sorted(step.fields) for step in payment.trace.steps[4:]] for payment in payments]
    assert shown == [shown[0]] * len(probes)
    assert {payment.pan_last_four for payment in payments} == {""}
    assert (await shop.checkout(guessed)).approved


async def test_a_shop_that_tries_numbers_is_slowed_down_and_no_other_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    # The wall stands still, so that nothing is forgiven: five a second are, and a busy machine takes its time.
    monkeypatch.setattr(Clock, "wall_s", lambda _: 1_768_467_600.0)
    async with LocalNetwork(in_process=True, settings=patient({"tsp": {"most_probes": "3"}})) as network:
        shop, other = Shop(network), Shop(network, identity=OTHER_MERCHANT)
        others = await other.new_token(OTHER_SHOP, "100.00 GBP")
        other_shop = MerchantData(
            merchant_id="MERCHANT0000002",
            merchant_domain="other-shop.example",
            merchant_name="Other Shop",
            merchant_category_code="5942",
            merchant_country="826",
        )

        probes = (shop.checkout(TokenData(payment_token=UNKNOWN, token_expiry="2901")) for _ in range(60))
        answers = await gather(*probes, return_exceptions=True)
        assert sum(isinstance(answer, Overloaded) for answer in answers) > 30
        assert (await other.submit(others, "1.00 GBP", merchant=other_shop)).response_code == Code.APPROVED
