"""Payments that the merchant begins: for recurring tokens alone, and only with a payment of the cardholder's before.

EMVCo framework 2.3, table 10.6 and section 10.4.2.
"""

from typing import Any

import pytest
from tsp_provider import ON_FILE, ONE_TIME, RECURRING, WITH_CRYPTOGRAM, Provider, use

from cardnet.cde.v1 import token_vault_pb2 as pb
from cardnet.v1.payment_pb2 import INITIATOR_CARDHOLDER, INITIATOR_MERCHANT, TransactionKey
from cardnet.v1.token_service_pb2 import AMOUNT_BINDING_EXACT, AMOUNT_BINDING_MAXIMUM, AMOUNT_BINDING_NONE

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOBODYS = "632699999999"
"""A reference that no payment has."""
UNKNOWN = (pb.REFUSAL_ORIGINAL_UNKNOWN, "57", "")


def by_merchant(token: Any, original_rrn: str, cryptogram: str = "", **changes: Any) -> pb.DetokeniseRequest:
    """A use that the merchant begins."""
    asked = use(token, cryptogram, **changes)
    asked.token_data.initiator = INITIATOR_MERCHANT
    asked.token_data.original_rrn = original_rrn
    return asked


def told(card: pb.DetokeniseResponse) -> tuple[int, str, str]:
    return card.refusal, card.response_code, card.pan


async def begun(tsp: Provider, token: Any) -> str:
    """The reference of a payment that the cardholder began."""
    original = use(token)
    assert (await tsp.vault.Detokenise(original)).pan
    return str(original.transaction.rrn)


async def test_a_merchant_may_begin_payments_that_go_back_to_one_of_the_cardholders(shared: Provider) -> None:
    pan = shared.new_pan()
    token = await shared.new_token(RECURRING, pan)
    rrn = await begun(shared, token)

    for _ in range(3):
        card = await shared.vault.Detokenise(by_merchant(token, rrn))
        assert told(card) == (0, "", pan)
        assert pb.CONTROL_INITIATOR in card.controls_passed


async def test_a_repeat_of_the_merchants_payment_is_answered_alike(shared: Provider) -> None:
    token = await shared.new_token(RECURRING)
    asked = by_merchant(token, await begun(shared, token))

    first = await shared.vault.Detokenise(asked)

    assert first.pan
    assert await shared.vault.Detokenise(asked) == first


@pytest.mark.parametrize("trid", [ON_FILE, ONE_TIME, WITH_CRYPTOGRAM])
async def test_no_other_use_of_tokens_lets_the_merchant_begin(shared: Provider, trid: str) -> None:
    token = await shared.new_token(trid)
    original = use(token)
    if trid == WITH_CRYPTOGRAM:
        original.token_data.cryptogram = (await shared.request_cryptogram(token, trid)).cryptogram
    assert (await shared.vault.Detokenise(original)).pan

    card = await shared.vault.Detokenise(by_merchant(token, original.transaction.rrn))
    assert told(card) == (pb.REFUSAL_INITIATOR_NOT_ALLOWED, "57", "")
    made = await shared.request_cryptogram(
        token, trid, initiator=INITIATOR_MERCHANT, original_rrn=original.transaction.rrn
    )
    assert (made.response_code, made.cryptogram) == ("57", "")


@pytest.mark.parametrize("original_rrn", ["", NOBODYS])
async def test_an_original_is_needed_and_must_be_known(shared: Provider, original_rrn: str) -> None:
    token = await shared.new_token(RECURRING)
    await begun(shared, token)

    card = await shared.vault.Detokenise(by_merchant(token, original_rrn))
    assert told(card) == UNKNOWN
    assert pb.CONTROL_INITIATOR not in card.controls_passed


async def test_the_merchants_payment_is_no_original_for_the_next(shared: Provider) -> None:
    token = await shared.new_token(RECURRING)
    asked = by_merchant(token, await begun(shared, token))
    assert (await shared.vault.Detokenise(asked)).pan

    assert told(await shared.vault.Detokenise(by_merchant(token, asked.transaction.rrn))) == UNKNOWN


async def test_a_payment_is_not_its_own_original(shared: Provider) -> None:
    token = await shared.new_token(RECURRING)
    asked = by_merchant(token, NOBODYS)
    asked.token_data.original_rrn = asked.transaction.rrn

    assert [told(await shared.vault.Detokenise(asked)) for _ in range(2)] == [UNKNOWN] * 2


async def test_a_payment_with_another_token_of_the_same_card_is_no_original(shared: Provider) -> None:
    pan = shared.new_pan()
    token, other = await shared.new_token(RECURRING, pan), await shared.new_token(ON_FILE, pan)

    assert told(await shared.vault.Detokenise(by_merchant(token, await begun(shared, other)))) == UNKNOWN


async def test_a_reference_of_another_acquirers_is_no_original(shared: Provider) -> None:
    token = await shared.new_token(RECURRING)
    rrn = await begun(shared, token)
    asked = by_merchant(token, rrn)
    asked.transaction.acquirer_id = "99990000002"

    assert told(await shared.vault.Detokenise(asked)) == UNKNOWN


async def test_a_payment_that_was_refused_is_no_original(shared: Provider) -> None:
    token = await shared.new_token(RECURRING)
    for asked in (use(token, trid=ON_FILE), use(token, amount_minor=7762)):
        assert (await shared.vault.Detokenise(asked)).refusal
        assert told(await shared.vault.Detokenise(by_merchant(token, asked.transaction.rrn))) == UNKNOWN


async def test_a_late_original_that_was_reversed_is_no_original(shared: Provider) -> None:
    token = await shared.new_token(RECURRING)
    late = use(token)
    await shared.recall(late)
    assert (await shared.vault.Detokenise(late)).refusal == pb.REFUSAL_TRANSACTION_REVERSED

    assert told(await shared.vault.Detokenise(by_merchant(token, late.transaction.rrn))) == UNKNOWN


async def test_the_original_is_still_known_when_the_card_was_replaced(shared: Provider) -> None:
    pan, successor = shared.new_pan(), shared.new_pan()
    token = await shared.new_token(RECURRING, pan)
    rrn = await begun(shared, token)
    assert (await shared.replace_pan(pan, successor)).response_code == "00"

    assert (await shared.vault.Detokenise(by_merchant(token, rrn))).pan == successor


async def test_a_suspended_recurring_token_pays_for_nobody(shared: Provider) -> None:
    token = await shared.new_token(RECURRING)
    rrn = await begun(shared, token)
    await shared.act("merchant", "Suspend", token)

    assert (await shared.vault.Detokenise(by_merchant(token, rrn))).refusal == pb.REFUSAL_TOKEN_SUSPENDED


# Cryptograms.


@pytest.mark.parametrize("binding", [AMOUNT_BINDING_EXACT, AMOUNT_BINDING_MAXIMUM, AMOUNT_BINDING_NONE])
async def test_a_cryptogram_is_good_for_the_one_who_it_says_begins(shared: Provider, binding: int) -> None:
    pan = shared.new_pan()
    token = await shared.new_token(RECURRING, pan)
    rrn = await begun(shared, token)
    whose = {"initiator": INITIATOR_MERCHANT, "original_rrn": rrn}
    merchants = (await shared.request_cryptogram(token, RECURRING, amount_binding=binding, **whose)).cryptogram
    cardholders = (await shared.request_cryptogram(token, RECURRING, amount_binding=binding)).cryptogram

    wrong = (pb.REFUSAL_CRYPTOGRAM_WRONG, "82", "")
    assert told(await shared.vault.Detokenise(by_merchant(token, rrn, cardholders))) == wrong
    assert told(await shared.vault.Detokenise(use(token, merchants))) == wrong
    # Neither was used up by that.
    assert (await shared.vault.Detokenise(by_merchant(token, rrn, merchants))).pan == pan
    assert (await shared.vault.Detokenise(use(token, cardholders))).pan == pan


async def test_an_initiator_that_is_not_given_is_the_cardholder(shared: Provider) -> None:
    token = await shared.new_token(RECURRING)
    made = await shared.request_cryptogram(token, RECURRING)
    asked = use(token, made.cryptogram)
    asked.token_data.initiator = INITIATOR_CARDHOLDER

    assert (await shared.vault.Detokenise(asked)).pan


async def test_no_cryptogram_is_made_for_the_merchant_without_an_original(shared: Provider) -> None:
    token = await shared.new_token(RECURRING)

    made = await shared.request_cryptogram(token, RECURRING, initiator=INITIATOR_MERCHANT)

    assert (made.response_code, made.cryptogram) == ("57", "")


async def test_the_merchants_cryptogram_is_good_once(shared: Provider) -> None:
    token = await shared.new_token(RECURRING)
    rrn = await begun(shared, token)
    made = await shared.request_cryptogram(token, RECURRING, initiator=INITIATOR_MERCHANT, original_rrn=rrn)
    first = by_merchant(token, rrn, made.cryptogram)

    assert (await shared.vault.Detokenise(first)).pan
    second = by_merchant(token, rrn, made.cryptogram)
    assert (await shared.vault.Detokenise(second)).refusal == pb.REFUSAL_CRYPTOGRAM_REPLAYED


async def test_a_merchants_payment_is_found_and_recalled_like_any_other(shared: Provider) -> None:
    pan = shared.new_pan()
    token = await shared.new_token(RECURRING, pan)
    asked = by_merchant(token, await begun(shared, token))
    assert (await shared.vault.Detokenise(asked)).pan

    assert (await shared.find(asked)).pan == pan
    assert (await shared.recall(asked)).pan == pan
    nobodys = by_merchant(
        token,
        NOBODYS,
        transaction=TransactionKey(
            acquirer_id="99990000001", stan="999999", transmission_time="1122235000", rrn=NOBODYS
        ),
    )
    assert (await shared.find(nobodys)).response_code == "25"
