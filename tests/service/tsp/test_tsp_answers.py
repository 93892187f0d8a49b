"""An unknown token and somebody else's cannot be told apart by their answers (attacks T1 and T6)."""

from collections.abc import Iterator
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
from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import Fault
from cardnet.v1.token_lifecycle_pb2 import (
    ChangeTokenRequest,
    GetTokenRequest,
    TokenName,
    UpdateTokenAttributesRequest,
)
from cardnet.v1.token_lifecycle_pb2_grpc import TokenLifecycleStub
from cardnet.v1.token_pb2 import CAUSE_FRAUD
from cardnet.v1.token_service_pb2 import (
    TOKEN_DECISION_STEP_UP,
    ConfirmCardholderRequest,
    RequestCryptogramRequest,
    RequestTokenRequest,
    RequestTokenResponse,
)
from cardnet.v1.token_service_pb2_grpc import TokenServiceStub

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOBODYS = RequestTokenResponse(payment_token=UNKNOWN_TOKEN, token_expiry="2911", token_reference_id=UNKNOWN_REFERENCE)
OTHER_SHOP = merchant(merchant_id="MERCHANT0000002", merchant_domain="other-shop.example")
STATES = ["active", "suspended", "deleted", "inactive", "expiring"]


async def somebodys(tsp: Provider, state: str) -> Any:
    """A token of the shop's, in one of STATES."""
    tsp.bank.decision = TOKEN_DECISION_STEP_UP if state == "inactive" else 1
    token = await tsp.new_token(ON_FILE)
    tsp.bank.decision = 1
    if state in ("suspended", "deleted"):
        await tsp.act("operator", {"suspended": "Suspend", "deleted": "Unlink"}[state], token)
    if state == "expiring":
        token.token_expiry = "3001"  # not what the vault has
    return token


async def answer(tsp: Provider, caller: str, method: str, request: Any) -> object:
    """All that a caller gets: bytes, or the fault."""
    kind = TokenServiceStub if hasattr(request, "token_requestor_id") else TokenLifecycleStub
    try:
        return (await getattr(tsp.stub(kind, caller), method)(request)).SerializeToString()
    except Fault as fault:
        return type(fault), fault.reason, fault.sentence


def names(token: Any) -> Iterator[TokenName]:
    yield TokenName(token_reference_id=token.token_reference_id)
    yield TokenName(payment_token=token.payment_token)


def on_a_life(token: Any) -> Iterator[tuple[str, Any]]:
    for name in names(token):
        for method in ("SuspendToken", "ResumeToken", "ActivateToken", "UnlinkToken"):
            yield method, ChangeTokenRequest(token=name, cause=CAUSE_FRAUD)
        yield "UpdateTokenAttributes", UpdateTokenAttributesRequest(token=name, token_expiry="3101")
        yield "GetToken", GetTokenRequest(token=name)


def on_tokens(token: Any) -> Iterator[tuple[str, Any]]:
    for name in names(token):
        expiry = token.token_expiry if name.payment_token else ""
        for authorisation in ("", "fedcba9876543210" * 2):
            yield (
                "RequestToken",
                RequestTokenRequest(
                    token_requestor_id=OTHERS,
                    token=name,
                    token_expiry=expiry,
                    token_request_authorisation=authorisation,
                ),
            )
        for amount_minor in (1250, 7765):
            yield (
                "RequestCryptogram",
                RequestCryptogramRequest(
                    token_requestor_id=OTHERS,
                    payment_token=name.payment_token,
                    token_reference_id=name.token_reference_id,
                    token_expiry=expiry,
                    merchant=OTHER_SHOP,
                    amount_minor=amount_minor,
                    currency="840",
                ),
            )
    for passcode in ("271828", "000000"):
        yield (
            "ConfirmCardholder",
            ConfirmCardholderRequest(
                token_requestor_id=OTHERS, token_reference_id=token.token_reference_id, passcode=passcode
            ),
        )


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("caller", ["other-merchant", "other-issuer"])
async def test_every_call_on_a_life_answers_the_foreign_as_the_unknown(
    shared: Provider, caller: str, state: str
) -> None:
    theirs = await somebodys(shared, state)
    before = await shared.shown(theirs)

    for (method, foreign), (_, unknown) in zip(on_a_life(theirs), on_a_life(NOBODYS), strict=True):
        expected = await answer(shared, caller, method, unknown)
        assert await answer(shared, caller, method, foreign) == expected, method

    assert await shared.shown(theirs) == before


@pytest.mark.parametrize("state", STATES)
async def test_every_call_on_tokens_answers_the_foreign_as_the_unknown(shared: Provider, state: str) -> None:
    theirs = await somebodys(shared, state)
    before = await shared.shown(theirs)

    for (method, foreign), (_, unknown) in zip(on_tokens(theirs), on_tokens(NOBODYS), strict=True):
        expected = await answer(shared, "other-merchant", method, unknown)
        assert await answer(shared, "other-merchant", method, foreign) == expected, method

    assert await shared.shown(theirs) == before


async def test_the_answers_are_fourteen_and_no_faults(shared: Provider) -> None:
    for method, request in (*on_a_life(NOBODYS), *on_tokens(NOBODYS)):
        got = await answer(shared, "other-merchant", method, request)
        if method == "ActivateToken":  # not for requestors at all
            assert isinstance(got, tuple)
        else:
            assert isinstance(got, bytes)
            assert b"14" in got


@pytest.mark.parametrize("trid", [WITH_CRYPTOGRAM, OTHERS])
async def test_a_requestor_identifier_that_is_not_the_callers_is_one_fault(shared: Provider, trid: str) -> None:
    theirs = await shared.new_token(ON_FILE)

    def asked(token_requestor_id: str) -> Any:
        return ConfirmCardholderRequest(
            token_requestor_id=token_requestor_id, token_reference_id=theirs.token_reference_id, passcode="271828"
        )

    caller = "merchant" if trid == OTHERS else "other-merchant"
    unregistered = await answer(shared, caller, "ConfirmCardholder", asked("00000009999"))
    assert isinstance(unregistered, tuple)
    assert await answer(shared, caller, "ConfirmCardholder", asked(trid)) == unregistered


# Step 4, towards acquirers.


async def refused(tsp: Provider, token: Any) -> dict[str, str]:
    """What somebody is told who looks for tokens and is at the wrong shop, or guesses a cryptogram."""
    wrong = "EO1TGgnlCqeYAAERIjNEGoABoQE="
    asked = {
        "unknown": use(NOBODYS),
        "unknown, guessed": use(NOBODYS, wrong),
        "foreign": use(token, merchant=OTHER_SHOP),
        "foreign, guessed": use(token, wrong, merchant=OTHER_SHOP),
        "requestor": use(token, trid=OTHERS),
        "guessed": use(token, wrong),
    }
    cards = {name: await tsp.vault.Detokenise(request) for name, request in asked.items()}
    assert not any(card.pan for card in cards.values())
    return {name: card.response_code for name, card in cards.items()}


async def test_whoever_looks_for_tokens_gets_one_code_where_that_is_set(spare: EmbeddedStore) -> None:
    async with started(spare, answers_alike=True) as tsp:
        token = await tsp.new_token()
        assert set((await refused(tsp, token)).values()) == {"14"}

        # Inside the data environment the reason is still told, and the token's own shop learns what to mend.
        assert (await tsp.vault.Detokenise(use(token, trid=OTHERS))).refusal == pb.REFUSAL_TOKEN_REQUESTOR_MISMATCH
        await tsp.act("issuer", "Suspend", token)
        assert (await tsp.vault.Detokenise(use(token))).response_code == "62"
        assert (await tsp.vault.Detokenise(use(token, merchant=OTHER_SHOP))).response_code == "14"


async def test_without_that_setting_each_reason_has_its_own_code(shared: Provider) -> None:
    assert await refused(shared, await shared.new_token()) == {
        "unknown": "14",
        "unknown, guessed": "14",
        "foreign": "57",
        "foreign, guessed": "57",
        "requestor": "57",
        "guessed": "82",
    }


@pytest.mark.parametrize("state", STATES)
async def test_a_foreign_shop_learns_nothing_of_a_tokens_state(shared: Provider, state: str) -> None:
    token = await somebodys(shared, state)
    active = await somebodys(shared, "active")

    cards = [await shared.vault.Detokenise(use(one, merchant=OTHER_SHOP)) for one in (token, active)]

    assert cards[0] == cards[1]
