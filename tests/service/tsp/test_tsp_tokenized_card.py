"""A wallet pays at a payee: a token of the payee's own requestor, and a cryptogram for exactly this purchase."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from tsp_provider import (
    DEBIT,
    ON_FILE,
    ONE_TIME,
    OTHERS,
    RECURRING,
    UNKNOWN_REFERENCE,
    Provider,
    merchant,
    started,
    use,
)

from cardnet.cde.v1 import token_operator_pb2 as op
from cardnet.cde.v1 import token_vault_pb2 as pb
from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import InvalidField, NotPermitted, Overloaded
from cardnet.v1 import token_service_pb2 as ts
from cardnet.v1.token_pb2 import (
    TOKEN_STATE_DELETED,
    TOKEN_STATE_INACTIVE,
    TOKEN_STATE_SUSPENDED,
    TOKEN_USAGE_CARD_ON_FILE,
    TOKEN_USAGE_ONE_TIME,
    TOKEN_USAGE_RECURRING,
    TOKEN_USAGE_UNSPECIFIED,
)
from cardnet.v1.token_service_pb2_grpc import TokenServiceStub

pytestmark = pytest.mark.asyncio(loop_scope="module")

WALLETS = "00000000006"
HERE, THERE = "http://localhost:8080", "https://other-shop.example"
ORIGINS = f"merchant={HERE},other-merchant={THERE}"
KEY_URL = f"{HERE}/payment-key"
NOT_PERMITTED = ts.ProvideTokenizedCardResponse(response_code="57")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tsp(store: EmbeddedStore) -> AsyncIterator[Provider]:
    async with started(store, origins=ORIGINS) as provider:
        yield provider


async def in_wallet(tsp: Provider, pan: str = "") -> Any:
    """The wallet's own token of a card."""
    return await tsp.request_token(pan or tsp.new_pan(), WALLETS, caller="wallet")


async def provide(tsp: Provider, card: Any, caller: str = "wallet", **changes: Any) -> Any:
    fields = {
        "token_requestor_id": WALLETS,
        "token_reference_id": card.token_reference_id,
        "key_provider_url": KEY_URL,
        "amount_minor": 1250,
        "currency": "840",
        "user_authenticated": True,
    }
    request = ts.ProvideTokenizedCardRequest(**{**fields, **changes})
    return await tsp.stub(TokenServiceStub, caller).ProvideTokenizedCard(request)


async def paid(tsp: Provider, given: Any, **changes: Any) -> int:
    """Why a payment with what was given would be refused; 0 where it passes step 4."""
    asked = use(given, given.cryptogram, given.token_requestor_id, **changes)
    return int((await tsp.vault.Detokenise(asked)).refusal)


# What is given.


async def test_a_wallet_gets_what_a_payee_can_be_paid_with(tsp: Provider) -> None:
    pan = tsp.new_pan()
    card = await in_wallet(tsp, pan)
    given = await provide(tsp, card)
    assert given.response_code == "00"
    assert given.payment_token != card.payment_token
    assert given.token_reference_id not in ("", card.token_reference_id)
    assert (given.token_requestor_id, given.cryptogram_type, given.eci) == (ONE_TIME, "SIM-TAVV", "05")
    assert (given.pan_last_four, given.pan_expiry, given.card_network) == (pan[-4:], "3011", "cardnet")
    assert given.token_expiry == "2911"  # the token's, not the card's
    assert given.par == card.par
    assert await paid(tsp, given) == pb.REFUSAL_UNSPECIFIED


async def test_the_wallets_own_token_pays_nowhere(tsp: Provider) -> None:
    card = await in_wallet(tsp)
    asked = use(card, trid=WALLETS)
    assert (await tsp.vault.Detokenise(asked)).refusal == pb.REFUSAL_MERCHANT_NOT_ALLOWED


async def test_who_was_not_authenticated_is_said_so(tsp: Provider) -> None:
    assert (await provide(tsp, await in_wallet(tsp), user_authenticated=False)).eci == "07"


async def test_a_debit_card_pays_too(tsp: Provider) -> None:
    given = await provide(tsp, await in_wallet(tsp, DEBIT))
    assert await paid(tsp, given) == pb.REFUSAL_UNSPECIFIED


@pytest.mark.parametrize(
    ("usage", "trid"),
    [
        (TOKEN_USAGE_UNSPECIFIED, ONE_TIME),
        (TOKEN_USAGE_ONE_TIME, ONE_TIME),
        (TOKEN_USAGE_CARD_ON_FILE, RECURRING),
        (TOKEN_USAGE_RECURRING, RECURRING),
    ],
)
async def test_the_payees_requestor_is_the_one_for_that_usage(tsp: Provider, usage: int, trid: str) -> None:
    given = await provide(tsp, await in_wallet(tsp), usage=usage)
    assert given.token_requestor_id == trid
    assert await paid(tsp, given) == pb.REFUSAL_UNSPECIFIED


async def test_a_token_on_file_is_the_one_that_the_payee_has_for_the_card(tsp: Provider) -> None:
    pan = tsp.new_pan()
    on_file = await tsp.request_token(pan, RECURRING)
    given = await provide(tsp, await in_wallet(tsp, pan), usage=TOKEN_USAGE_CARD_ON_FILE)
    assert given.payment_token == on_file.payment_token


@pytest.mark.parametrize(
    "changes",
    [{"amount_minor": 1251}, {"amount_minor": 1249}, {"currency": "978"}],
)
async def test_the_cryptogram_is_for_this_amount_and_currency_alone(tsp: Provider, changes: dict[str, Any]) -> None:
    given = await provide(tsp, await in_wallet(tsp))
    assert await paid(tsp, given, **changes) == pb.REFUSAL_CRYPTOGRAM_WRONG
    assert await paid(tsp, given) == pb.REFUSAL_UNSPECIFIED


async def test_the_cryptogram_is_for_this_payees_country_alone(tsp: Provider) -> None:
    given = await provide(tsp, await in_wallet(tsp))
    assert await paid(tsp, given, merchant=merchant(merchant_country="276")) == pb.REFUSAL_CRYPTOGRAM_WRONG


# Once.


async def test_the_next_purchase_gets_a_fresh_one_time_token(tsp: Provider) -> None:
    card = await in_wallet(tsp)
    first = await provide(tsp, card)
    assert await paid(tsp, first) == pb.REFUSAL_UNSPECIFIED
    assert await paid(tsp, first) == pb.REFUSAL_USAGE_EXHAUSTED
    second = await provide(tsp, card)
    assert second.payment_token != first.payment_token
    assert await paid(tsp, second) == pb.REFUSAL_UNSPECIFIED


async def test_of_two_purchases_at_once_one_is_paid_and_the_other_can_be_tried_again(tsp: Provider) -> None:
    card = await in_wallet(tsp)
    first, second = await asyncio.gather(provide(tsp, card), provide(tsp, card))
    assert first.payment_token == second.payment_token
    assert first.cryptogram != second.cryptogram
    assert await paid(tsp, second) == pb.REFUSAL_UNSPECIFIED
    assert await paid(tsp, first) == pb.REFUSAL_USAGE_EXHAUSTED
    assert await paid(tsp, await provide(tsp, card)) == pb.REFUSAL_UNSPECIFIED


async def test_the_payee_may_be_named(tsp: Provider) -> None:
    given = await provide(tsp, await in_wallet(tsp), payee_id="MERCHANT0000001")
    assert await paid(tsp, given) == pb.REFUSAL_UNSPECIFIED


async def test_another_payee_than_the_requestors_is_refused(tsp: Provider) -> None:
    card = await in_wallet(tsp)
    assert await provide(tsp, card, payee_id="MERCHANT0000002") == NOT_PERMITTED


async def test_where_the_key_is_says_whose_token_is_given(tsp: Provider) -> None:
    card = await in_wallet(tsp)
    given = await provide(tsp, card, usage=TOKEN_USAGE_CARD_ON_FILE, key_provider_url=f"{THERE}/key")
    assert given.token_requestor_id == OTHERS


async def test_a_requestor_of_several_merchants_wants_the_payee_named(tsp: Provider) -> None:
    service_provider = op.Requestor(
        identity="other-merchant",
        merchant_ids=["MERCHANT0000021", "MERCHANT0000022"],
        merchant_domain="mall.example",
        pos_entry_modes=["POS_ENTRY_MODE_ECOMMERCE"],
        usage="TOKEN_USAGE_RECURRING",
        location="TOKEN_LOCATION_REMOTE",
    )
    await tsp.operator.RegisterRequestor(op.RegisterRequestorRequest(requestor=service_provider))
    card = await in_wallet(tsp)
    asked = {"usage": TOKEN_USAGE_RECURRING, "key_provider_url": f"{THERE}/key"}
    with pytest.raises(InvalidField, match="payee_id: must be given"):
        await provide(tsp, card, **asked)
    given = await provide(tsp, card, payee_id="MERCHANT0000022", **asked)
    at = {"merchant_id": "MERCHANT0000022", "merchant_domain": "mall.example"}
    assert await paid(tsp, given, merchant=merchant(**at)) == pb.REFUSAL_UNSPECIFIED
    again = await provide(tsp, card, payee_id="MERCHANT0000022", **asked)
    at["merchant_id"] = "MERCHANT0000021"
    assert await paid(tsp, again, merchant=merchant(**at)) == pb.REFUSAL_CRYPTOGRAM_WRONG


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example/payment-key",
        "http://localhost:8079/payment-key",
        "https://localhost:8080/payment-key",
        "http://localhost:8080@elsewhere.example/payment-key",
        "http://shop.example/payment-key",
        "https://localhost:8080.elsewhere.example/",
    ],
)
async def test_a_key_of_nobody_that_is_known_is_not_trusted(tsp: Provider, url: str) -> None:
    assert await provide(tsp, await in_wallet(tsp), key_provider_url=url) == NOT_PERMITTED


async def test_a_usage_for_which_the_payee_has_no_requestor_is_refused(tsp: Provider) -> None:
    card = await in_wallet(tsp)
    assert await provide(tsp, card, key_provider_url=f"{THERE}/key") == NOT_PERMITTED


# Whose card.


async def test_an_unknown_card_and_anothers_are_answered_alike(tsp: Provider) -> None:
    unknown = ts.RequestTokenResponse(token_reference_id=UNKNOWN_REFERENCE)
    for card in (unknown, await tsp.new_token()):
        assert await provide(tsp, card) == ts.ProvideTokenizedCardResponse(response_code="14")


async def test_who_looks_for_cards_is_slowed_down(spare: EmbeddedStore) -> None:
    async with started(spare, origins=ORIGINS, most_probes=3) as tsp:
        unknown = ts.RequestTokenResponse(token_reference_id=UNKNOWN_REFERENCE)
        for _ in range(3):
            await provide(tsp, unknown)
        with pytest.raises(Overloaded):
            await provide(tsp, unknown)


async def test_a_requestor_that_is_not_the_wallets_is_refused(tsp: Provider) -> None:
    with pytest.raises(NotPermitted):
        await provide(tsp, await in_wallet(tsp), token_requestor_id=ON_FILE)


@pytest.mark.parametrize("caller", ["merchant", "network", "operator"])
async def test_wallets_alone_may_ask(tsp: Provider, caller: str) -> None:
    with pytest.raises(NotPermitted):
        await provide(tsp, await in_wallet(tsp), caller)


@pytest.mark.parametrize(("state", "code"), [(TOKEN_STATE_SUSPENDED, "62"), (TOKEN_STATE_DELETED, "78")])
async def test_a_card_that_cannot_be_used_now_is_not_given(tsp: Provider, state: int, code: str) -> None:
    card = await in_wallet(tsp)
    await tsp.change(card, state)
    assert await provide(tsp, card) == ts.ProvideTokenizedCardResponse(response_code=code)


async def test_a_suspended_token_of_the_payee_is_not_given(tsp: Provider) -> None:
    pan = tsp.new_pan()
    card, on_file = await in_wallet(tsp, pan), await tsp.request_token(pan, RECURRING)
    await tsp.change(on_file, TOKEN_STATE_SUSPENDED)
    given = await provide(tsp, card, usage=TOKEN_USAGE_CARD_ON_FILE)
    assert given == ts.ProvideTokenizedCardResponse(response_code="62")


# What the issuer says.


async def test_an_issuer_that_declines_is_quoted(tsp: Provider) -> None:
    pan = tsp.new_pan()
    card = await in_wallet(tsp, pan)
    tsp.bank.answers[pan, "3011"] = "41"
    assert await provide(tsp, card) == ts.ProvideTokenizedCardResponse(response_code="41")


async def test_a_step_up_gives_no_token(tsp: Provider) -> None:
    card = await in_wallet(tsp)
    tsp.bank.decision = ts.TOKEN_DECISION_STEP_UP
    try:
        assert await provide(tsp, card) == ts.ProvideTokenizedCardResponse(response_code="78")
    finally:
        tsp.bank.decision = ts.TOKEN_DECISION_APPROVED
    assert await paid(tsp, await provide(tsp, card)) == pb.REFUSAL_UNSPECIFIED


async def test_a_wallets_card_that_waits_for_a_passcode_is_not_given(tsp: Provider) -> None:
    tsp.bank.decision = ts.TOKEN_DECISION_STEP_UP
    try:
        card = await in_wallet(tsp)
    finally:
        tsp.bank.decision = ts.TOKEN_DECISION_APPROVED
    assert card.state == TOKEN_STATE_INACTIVE
    assert await provide(tsp, card) == ts.ProvideTokenizedCardResponse(response_code="78")
