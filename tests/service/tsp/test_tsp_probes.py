"""Who looks for tokens: is slowed down, and learns nothing from the answers (attacks T1, T5, T6 and T7)."""

import math
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from tsp_provider import (
    ON_FILE,
    OTHERS,
    UNKNOWN_REFERENCE,
    UNKNOWN_TOKEN,
    WITH_CRYPTOGRAM,
    Provider,
    merchant,
    started,
    use,
)

from cardnet.cde.v1 import token_vault_pb2 as pb
from cardnet.cde.v1.token_vault_pb2_grpc import TokenDisclosureStub
from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import Overloaded
from cardnet.v1.token_lifecycle_pb2 import ChangeTokenRequest, GetTokenRequest, TokenName
from cardnet.v1.token_lifecycle_pb2_grpc import TokenLifecycleStub
from cardnet.v1.token_pb2 import CAUSE_OTHER
from cardnet.v1.token_service_pb2 import (
    ConfirmCardholderRequest,
    RequestCryptogramRequest,
    RequestTokenRequest,
    RequestTokenResponse,
)
from cardnet.v1.token_service_pb2_grpc import TokenServiceStub

pytestmark = pytest.mark.asyncio(loop_scope="module")

FEW = 10
PER_SECOND = 5
NOBODYS = RequestTokenResponse(payment_token=UNKNOWN_TOKEN, token_expiry="2911", token_reference_id=UNKNOWN_REFERENCE)
OTHER_SHOP = merchant(merchant_id="MERCHANT0000002", merchant_domain="other-shop.example")
Probe = Callable[[Provider], Awaitable[Any]]


class Wall:
    """The clock on the wall, in the test's hand. Put up when made."""

    def __init__(self, tsp: Provider) -> None:
        self.now_s = 1_800_000_000.0
        tsp.clock.wall_s = lambda: self.now_s  # type: ignore[method-assign]


async def until_stopped(probe: Callable[[], Awaitable[Any]], most: int) -> int:
    """How many probes were answered before one met Overloaded; `most` where none did."""
    for answered in range(most):
        try:
            await probe()
        except Overloaded:
            return answered
    return most


def an_acquirers(asked: pb.DetokeniseRequest, acquirer_id: str) -> pb.DetokeniseRequest:
    asked.transaction.acquirer_id = acquirer_id
    return asked


# At step 4: by acquirer and merchant.


async def test_a_run_of_a_thousand_probes_is_stopped_and_who_pays_beside_it_is_not(spare: EmbeddedStore) -> None:
    async with started(spare) as tsp:
        Wall(tsp)
        ours, theirs = await tsp.new_token(ON_FILE), await tsp.new_token(OTHERS)

        assert 0 < await until_stopped(lambda: tsp.vault.Detokenise(use(NOBODYS)), 1000) < 1000

        with pytest.raises(Overloaded):
            await tsp.vault.Detokenise(use(ours))
        assert (await tsp.vault.Detokenise(use(theirs, merchant=OTHER_SHOP))).pan
        assert (await tsp.vault.Detokenise(an_acquirers(use(ours), "99990000002"))).pan
        assert (await tsp.new_token(ON_FILE)).response_code == "00"


@pytest.mark.parametrize(
    "changes",
    [{"merchant": OTHER_SHOP}, {"trid": OTHERS}, {"cryptogram": "EO1TGgnlCqeYAAERIjNEGoABoQE="}],
    ids=["foreign merchant", "foreign requestor", "wrong cryptogram"],
)
async def test_whoever_tries_tokens_that_there_are_is_stopped_too(
    spare: EmbeddedStore, changes: dict[str, Any]
) -> None:
    async with started(spare, most_probes=FEW, most_failures=1000) as tsp:
        Wall(tsp)
        token = await tsp.new_token(WITH_CRYPTOGRAM)
        assert await until_stopped(lambda: tsp.vault.Detokenise(use(token, **changes)), 1000) == FEW


async def test_payments_that_pass_or_are_refused_to_their_own_shop_are_no_probes(spare: EmbeddedStore) -> None:
    async with started(spare, most_probes=FEW) as tsp:
        Wall(tsp)
        token = await tsp.new_token()
        assert await until_stopped(lambda: tsp.vault.Detokenise(use(token)), 3 * FEW) == 3 * FEW
        await tsp.act("issuer", "Suspend", token)
        assert await until_stopped(lambda: tsp.vault.Detokenise(use(token)), 3 * FEW) == 3 * FEW


async def test_what_an_amount_brings_about_is_no_probe(spare: EmbeddedStore) -> None:
    async with started(spare, most_probes=FEW) as tsp:
        Wall(tsp)
        token = await tsp.new_token()
        for amount_minor in (7714, 7757, 7782) * FEW:
            assert (await tsp.vault.Detokenise(use(token, amount_minor=amount_minor))).refusal


async def test_an_amount_does_not_hide_a_probe(spare: EmbeddedStore) -> None:
    async with started(spare, most_probes=FEW) as tsp:
        Wall(tsp)
        assert await until_stopped(lambda: tsp.vault.Detokenise(use(NOBODYS, amount_minor=7765)), 1000) == FEW


# The bucket.


async def test_the_wall_clock_forgives_and_the_simulated_one_does_not(spare: EmbeddedStore) -> None:
    async with started(spare, most_probes=FEW) as tsp:
        wall = Wall(tsp)

        def probe() -> Awaitable[Any]:
            return tsp.vault.Detokenise(use(NOBODYS))

        assert await until_stopped(probe, 1000) == FEW
        tsp.clock.advance(timedelta(days=30))
        assert await until_stopped(probe, 1000) == 0
        for waited_s, forgiven in ((0.125, 0), (0.125, 1), (1.0, PER_SECOND), (3600.0, FEW)):
            wall.now_s += waited_s
            assert await until_stopped(probe, 1000) == forgiven


async def test_the_fault_says_how_long_to_wait_and_that_is_true(spare: EmbeddedStore) -> None:
    async with started(spare, most_probes=FEW) as tsp:
        wall = Wall(tsp)
        await until_stopped(lambda: tsp.vault.Detokenise(use(NOBODYS)), 1000)
        method, data = "/cardnet.cde.v1.TokenVault/Detokenise", use(NOBODYS).SerializeToString()
        with pytest.raises(Overloaded) as stopped:
            await tsp.service.border.answer(method, data, "network", {}, 1.0)
        (wait_s,) = [int(word) for word in stopped.value.sentence.split() if word.isdecimal()]
        assert wait_s == math.ceil(1 / PER_SECOND)
        wall.now_s += wait_s
        await tsp.vault.Detokenise(use(NOBODYS))


async def test_no_limit_is_a_setting(spare: EmbeddedStore) -> None:
    async with started(spare, most_probes=0) as tsp:
        Wall(tsp)
        assert await until_stopped(lambda: tsp.vault.Detokenise(use(NOBODYS)), 1000) == 1000


# Elsewhere: by caller.


def change(what: str, name: TokenName) -> Callable[[Provider, str], Awaitable[Any]]:
    request = ChangeTokenRequest(token=name, cause=CAUSE_OTHER)
    return lambda tsp, caller: getattr(tsp.stub(TokenLifecycleStub, caller), what)(request)


def service(what: str, request: Any) -> Callable[[Provider, str], Awaitable[Any]]:
    return lambda tsp, caller: getattr(tsp.stub(TokenServiceStub, caller), what)(request)


BY_REFERENCE = TokenName(token_reference_id=UNKNOWN_REFERENCE)
BY_NUMBER = TokenName(payment_token=UNKNOWN_TOKEN)
PROBES = {
    "RequestToken": service("RequestToken", RequestTokenRequest(token_requestor_id=ON_FILE, token=BY_REFERENCE)),
    "ConfirmCardholder": service(
        "ConfirmCardholder",
        ConfirmCardholderRequest(token_requestor_id=ON_FILE, token_reference_id=UNKNOWN_REFERENCE, passcode="123456"),
    ),
    "RequestCryptogram": service(
        "RequestCryptogram",
        RequestCryptogramRequest(
            token_requestor_id=ON_FILE,
            payment_token=UNKNOWN_TOKEN,
            token_expiry="2911",
            merchant=merchant(),
            amount_minor=1250,
            currency="840",
        ),
    ),
    "SuspendToken": change("SuspendToken", BY_NUMBER),
    "UnlinkToken": change("UnlinkToken", BY_REFERENCE),
    "GetToken": lambda tsp, caller: tsp.stub(TokenLifecycleStub, caller).GetToken(GetTokenRequest(token=BY_NUMBER)),
}


@pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES)
async def test_a_requestor_who_asks_in_vain_is_stopped_and_another_is_not(spare: EmbeddedStore, probe: Any) -> None:
    async with started(spare, most_probes=FEW) as tsp:
        Wall(tsp)
        mine, theirs = await tsp.new_token(ON_FILE), await tsp.new_token(OTHERS)

        assert await until_stopped(lambda: probe(tsp, "merchant"), 1000) == FEW

        with pytest.raises(Overloaded):
            await tsp.act("merchant", "Suspend", mine)
        assert (await tsp.act("other-merchant", "Suspend", theirs)).response_code == "00"
        assert (await tsp.act("issuer", "Suspend", mine)).response_code == "00"
        assert (await tsp.vault.Detokenise(use(theirs, merchant=OTHER_SHOP))).refusal == pb.REFUSAL_TOKEN_SUSPENDED


async def test_a_requestor_who_tries_cards_is_stopped(spare: EmbeddedStore) -> None:
    async with started(spare, most_probes=FEW) as tsp:
        Wall(tsp)
        assert await until_stopped(lambda: tsp.request_token(pan="9999000000000210"), 1000) == FEW


async def test_an_issuer_who_asks_for_others_cards_tokens_is_stopped(spare: EmbeddedStore) -> None:
    async with started(spare, most_probes=FEW) as tsp:
        Wall(tsp)
        token = await tsp.new_token()
        assert await until_stopped(lambda: tsp.act("other-issuer", "Suspend", token), 1000) == FEW
        assert (await tsp.act("issuer", "Suspend", token)).response_code == "00"


async def test_who_may_learn_pans_cannot_try_tokens_without_end(spare: EmbeddedStore) -> None:
    async with started(spare, most_probes=FEW) as tsp:
        Wall(tsp)
        discloser = tsp.stub(TokenDisclosureStub, "discloser")
        asked = pb.DetokeniseWithoutVerificationRequest(payment_token=UNKNOWN_TOKEN, token_expiry="2911")
        assert await until_stopped(lambda: discloser.DetokeniseWithoutVerification(asked), 1000) == FEW
