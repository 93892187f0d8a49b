"""Step 4: what is told of a token, what is refused, and the history that a reversal asks."""

import base64
from datetime import timedelta
from typing import Any

import pytest
from tsp_provider import ALL, KEY, ON_FILE, PAN, START, WITH_CRYPTOGRAM, Provider, merchant, use

from cardnet import cryptogram
from cardnet.card import PaymentToken
from cardnet.cde.v1 import token_vault_pb2 as pb
from cardnet.v1 import payment_pb2, token_pb2, token_service_pb2


async def test_a_use_within_the_domain_is_told_the_pan_and_all_that_the_issuer_needs(tsp: Provider, token: Any) -> None:
    card = await tsp.vault.Detokenise(use(token, trid=ON_FILE))
    assert card == pb.DetokeniseResponse(
        controls_passed=ALL[:-1],
        on_behalf_of_validation=pb.ON_BEHALF_OF_VALIDATION_PASSED,
        pan=PAN,
        pan_expiry="3011",
        token_requestor_id=ON_FILE,
        token_assurance_level="10",
        token_assurance_data="issuer account verification",
        par=token.par,
        pan_product_id="SIMC1",
    )


async def test_the_requestor_is_told_where_the_message_did_not_bring_it(tsp: Provider, token: Any) -> None:
    card = await tsp.vault.Detokenise(use(token))
    assert card.token_requestor_id == ON_FILE
    assert pb.CONTROL_TOKEN_REQUESTOR_ID not in card.controls_passed


async def test_a_use_with_a_cryptogram_passes_every_control(tsp: Provider, strict: Any) -> None:
    made = await tsp.request_cryptogram(strict)
    assert (made.response_code, made.eci) == ("00", "07")
    card = await tsp.vault.Detokenise(use(strict, made.cryptogram, WITH_CRYPTOGRAM))
    assert (card.pan, list(card.controls_passed)) == (PAN, ALL)


@pytest.mark.parametrize(
    ("changes", "refusal", "code"),
    [
        ({"trid": ON_FILE}, "REFUSAL_TOKEN_REQUESTOR_MISMATCH", "57"),
        ({"merchant": merchant(merchant_id="MERCHANT0000002")}, "REFUSAL_MERCHANT_NOT_ALLOWED", "57"),
        ({"merchant": merchant(merchant_domain="evil.example")}, "REFUSAL_MERCHANT_NOT_ALLOWED", "57"),
        ({"pos_entry_mode": payment_pb2.POS_ENTRY_MODE_CREDENTIAL_ON_FILE}, "REFUSAL_ENTRY_MODE_NOT_ALLOWED", "58"),
        ({"cryptogram": ""}, "REFUSAL_CRYPTOGRAM_MISSING", "63"),
        ({"cryptogram": base64.b64encode(bytes(20)).decode()}, "REFUSAL_CRYPTOGRAM_FORMAT", "82"),
        ({"amount_minor": 1251}, "REFUSAL_CRYPTOGRAM_WRONG", "82"),
        ({"currency": "978"}, "REFUSAL_CRYPTOGRAM_WRONG", "82"),
        ({"merchant": merchant(merchant_country="392")}, "REFUSAL_CRYPTOGRAM_WRONG", "82"),
    ],
)
async def test_a_use_outside_the_domain_is_refused(
    tsp: Provider, strict: Any, changes: dict[str, Any], refusal: str, code: str
) -> None:
    made = (await tsp.request_cryptogram(strict)).cryptogram
    card = await tsp.vault.Detokenise(use(strict, **{"cryptogram": made, **changes}))
    assert (pb.Refusal.Name(card.refusal), card.response_code, card.pan) == (refusal, code, "")
    # A refused use did not use the cryptogram up.
    assert (await tsp.vault.Detokenise(use(strict, made))).pan == PAN


async def test_a_cryptogram_of_an_unknown_key_is_refused(tsp: Provider, strict: Any) -> None:
    key = cryptogram.CryptogramKey(bytes.fromhex(KEY), 2)
    purchase = cryptogram.Purchase(1250, "840", "840", WITH_CRYPTOGRAM, "shop.example", "MERCHANT0000001")
    made = key.make(PaymentToken(strict.payment_token), 1, bytes(4), purchase, START.date())
    assert (await tsp.vault.Detokenise(use(strict, made))).refusal == pb.REFUSAL_CRYPTOGRAM_KEY_UNKNOWN


async def test_a_right_cryptogram_that_was_never_issued_is_refused(tsp: Provider, strict: Any) -> None:
    key = cryptogram.CryptogramKey(bytes.fromhex(KEY))
    purchase = cryptogram.Purchase(1250, "840", "840", WITH_CRYPTOGRAM, "shop.example", "MERCHANT0000001")
    made = key.make(PaymentToken(strict.payment_token), 7, bytes(4), purchase, START.date())
    card = await tsp.vault.Detokenise(use(strict, made))
    assert (card.refusal, list(card.controls_passed)) == (pb.REFUSAL_CRYPTOGRAM_REPLAYED, [1, 3, 4, 5, 6])


async def test_an_unknown_token_is_refused(tsp: Provider) -> None:
    unknown = token_service_pb2.RequestTokenResponse(payment_token="9999400000000014", token_expiry="2911")
    card = await tsp.vault.Detokenise(use(unknown))
    assert card == pb.DetokeniseResponse(refusal=pb.REFUSAL_TOKEN_UNKNOWN, response_code="14")


@pytest.mark.parametrize(
    ("state", "code"),
    [(token_pb2.TOKEN_STATE_SUSPENDED, "62"), (token_pb2.TOKEN_STATE_DELETED, "78")],
)
async def test_a_token_that_is_not_active_is_refused(tsp: Provider, token: Any, state: int, code: str) -> None:
    assert await tsp.change(token, state) == "00"
    assert (await tsp.vault.Detokenise(use(token))).response_code == code
    assert (await tsp.request_cryptogram(token, ON_FILE)).response_code == code


async def test_a_resumed_token_is_good_again_and_a_deleted_one_never(tsp: Provider, token: Any) -> None:
    await tsp.change(token, token_pb2.TOKEN_STATE_SUSPENDED)
    assert await tsp.change(token, token_pb2.TOKEN_STATE_ACTIVE) == "00"
    assert (await tsp.vault.Detokenise(use(token))).pan == PAN
    assert await tsp.change(token, token_pb2.TOKEN_STATE_DELETED) == "00"
    assert await tsp.change(token, token_pb2.TOKEN_STATE_ACTIVE) == "78"


async def test_an_unknown_token_has_no_state(tsp: Provider) -> None:
    unknown = token_service_pb2.RequestTokenResponse(payment_token="9999400000000014")
    assert await tsp.change(unknown, token_pb2.TOKEN_STATE_ACTIVE) == "14"


@pytest.mark.parametrize("changes", [{"token_expiry": "2912"}, {"days": 4 * 366}])
async def test_a_wrong_or_passed_expiry_is_refused(tsp: Provider, token: Any, changes: dict[str, Any]) -> None:
    tsp.clock.advance(timedelta(days=changes.get("days", 0)))
    token.token_expiry = changes.get("token_expiry", token.token_expiry)
    assert (await tsp.vault.Detokenise(use(token))).response_code == "54"
    assert (await tsp.request_cryptogram(token, ON_FILE)).response_code == "54"


async def test_a_reversal_gets_its_pan_from_the_history_even_of_a_deleted_token(tsp: Provider, token: Any) -> None:
    asked = use(token)
    await tsp.vault.Detokenise(asked)
    await tsp.change(token, token_pb2.TOKEN_STATE_DELETED)
    for _ in range(2):  # a reversal may come twice
        assert await tsp.recall(asked) == pb.RecallTransactionResponse(response_code="00", pan=PAN)


async def test_a_late_original_is_refused_once_it_was_recalled(tsp: Provider, strict: Any) -> None:
    asked = use(strict, (await tsp.request_cryptogram(strict)).cryptogram)
    assert await tsp.recall(asked) == pb.RecallTransactionResponse(response_code="00")
    card = await tsp.vault.Detokenise(asked)
    assert (card.refusal, card.response_code, card.pan) == (pb.REFUSAL_TRANSACTION_REVERSED, "68", "")
    assert await tsp.recall(asked) == pb.RecallTransactionResponse(response_code="00")


async def test_a_recall_of_an_unknown_token_finds_nothing(tsp: Provider) -> None:
    unknown = token_service_pb2.RequestTokenResponse(payment_token="9999400000000014", token_expiry="2911")
    assert await tsp.recall(use(unknown)) == pb.RecallTransactionResponse(response_code="00")
