"""The issuer's rules, each alone and in their order."""

from dataclasses import replace
from datetime import date

import pytest

from cardnet.card import Expiry, Pan
from cardnet.money import Money
from cardnet.response_code import ResponseCode as Code
from cardnet.test_cards import TEST_CARDS, test_card
from services.issuer.domain import (
    Account,
    Purchase,
    Status,
    TokenState,
    Transaction,
    Validation,
    Verification,
    decide,
    uses_up_cryptogram,
)
from services.issuer.verification import Decision, PasscodeOutcome, Verdict, verify

TODAY = date(2026, 11, 22)
THIS_MONTH, LAST_MONTH, OTHER = Expiry(2026, 11), Expiry(2026, 10), Expiry(2030, 1)
GOOD = Account(
    expiry=THIS_MONTH,
    available=Money.parse("100.00 EUR"),
    held=Money.parse("0.00 EUR"),
    holds=0,
    purchase_limit=Money.parse("150.00 EUR"),
)
PURCHASE = Purchase(
    transaction=Transaction("99990000001", "000001", "1122093000", "632609000001"),
    pan=Pan(test_card("approved").pan),
    expiry=THIS_MONTH,
    amount=Money.parse("100.00 EUR"),
    merchant_id="MERCHANT0000001",
)
WRONG, NONE, PASSED = Validation.CRYPTOGRAM_WRONG, Validation.NOT_PERFORMED, Validation.PASSED


@pytest.mark.parametrize(
    ("account", "expiry", "validation", "amount", "answer"),
    [
        (None, OTHER, NONE, "200.00 USD", Code.INVALID_CARD),
        (replace(GOOD, status=Status.STOLEN, expiry=LAST_MONTH), OTHER, NONE, "200.00 USD", Code.STOLEN_CARD),
        (replace(GOOD, status=Status.LOST, expiry=LAST_MONTH), OTHER, NONE, "200.00 USD", Code.LOST_CARD),
        (replace(GOOD, status=Status.BLOCKED, expiry=LAST_MONTH), OTHER, NONE, "200.00 USD", Code.RESTRICTED_CARD),
        (replace(GOOD, status=Status.DO_NOT_HONOUR, expiry=LAST_MONTH), OTHER, NONE, "200.00 USD", Code.DO_NOT_HONOUR),
        (replace(GOOD, expiry=LAST_MONTH), OTHER, NONE, "200.00 USD", Code.EXPIRED_CARD),
        (replace(GOOD, expiry=LAST_MONTH), LAST_MONTH, NONE, "200.00 USD", Code.EXPIRED_CARD),
        (GOOD, OTHER, NONE, "200.00 USD", Code.EXPIRED_CARD),
        (GOOD, THIS_MONTH, NONE, "200.00 USD", Code.SECURITY_VIOLATION),
        (GOOD, THIS_MONTH, Validation.NO_KEYS, "200.00 USD", Code.SYSTEM_MALFUNCTION),
        (GOOD, THIS_MONTH, WRONG, "200.00 USD", Code.CRYPTOGRAM_FAILURE),
        (GOOD, THIS_MONTH, PASSED, "200.00 USD", Code.NOT_PERMITTED_TO_CARD),
        (GOOD, THIS_MONTH, PASSED, "150.01 EUR", Code.LIMIT_EXCEEDED),
        (GOOD, THIS_MONTH, PASSED, "150.00 EUR", Code.INSUFFICIENT_FUNDS),
        (GOOD, THIS_MONTH, PASSED, "100.01 EUR", Code.INSUFFICIENT_FUNDS),
        (GOOD, THIS_MONTH, PASSED, "100.00 EUR", Code.APPROVED),
    ],
)
def test_the_strongest_rule_answers(account, expiry, validation, amount, answer):
    purchase = replace(PURCHASE, expiry=expiry, amount=Money.parse(amount))
    assert decide(account, purchase, validation, TODAY) is answer


def test_a_right_cryptogram_is_as_good_as_one_that_the_token_service_provider_checked():
    assert decide(GOOD, PURCHASE, Validation.CRYPTOGRAM_RIGHT, TODAY) is Code.APPROVED


@pytest.mark.parametrize(
    ("today", "answer"), [(date(2026, 11, 30), Code.APPROVED), (date(2026, 12, 1), Code.EXPIRED_CARD)]
)
def test_a_card_is_good_until_its_month_ends(today, answer):
    assert decide(GOOD, PURCHASE, PASSED, today) is answer


def test_without_a_purchase_limit_the_balance_alone_decides():
    rich = replace(GOOD, purchase_limit=None, available=Money.parse("1000.00 EUR"))
    assert decide(rich, replace(PURCHASE, amount=rich.available), PASSED, TODAY) is Code.APPROVED


@pytest.mark.parametrize("answer", list(Code))
def test_a_cryptogram_is_used_up_by_purchases_that_came_as_far_as_the_money(answer):
    assert uses_up_cryptogram(answer) is (answer in {"00", "51", "57", "61"})


DECLINED, ELIGIBLE = Decision.DECLINED, replace(GOOD, status=Status.STOLEN, expiry=LAST_MONTH)


@pytest.mark.parametrize(
    ("account", "expiry", "verdict"),
    [
        (None, OTHER, Verdict(Code.INVALID_CARD, DECLINED)),
        (replace(ELIGIBLE, verification=Verification.INELIGIBLE), OTHER, Verdict(Code.EXPIRED_CARD, DECLINED)),
        (replace(ELIGIBLE, verification=Verification.DECLINE), OTHER, Verdict(Code.EXPIRED_CARD, DECLINED)),
        (ELIGIBLE, OTHER, Verdict(Code.EXPIRED_CARD, DECLINED)),
        (
            replace(ELIGIBLE, verification=Verification.INELIGIBLE),
            LAST_MONTH,
            Verdict(Code.NOT_PERMITTED_TO_CARD, Decision.INELIGIBLE),
        ),
        (replace(ELIGIBLE, verification=Verification.DECLINE), LAST_MONTH, Verdict(Code.DO_NOT_HONOUR, DECLINED)),
        (ELIGIBLE, LAST_MONTH, Verdict(Code.APPROVED, Decision.APPROVED, TokenState.ACTIVE)),
        (
            replace(ELIGIBLE, token_state=TokenState.SUSPENDED),
            LAST_MONTH,
            Verdict(Code.APPROVED, Decision.APPROVED, TokenState.SUSPENDED),
        ),
        (
            replace(ELIGIBLE, verification=Verification.PASSCODE),
            LAST_MONTH,
            Verdict(Code.APPROVED, Decision.STEP_UP, TokenState.INACTIVE),
        ),
        (
            replace(ELIGIBLE, verification=Verification.PASSCODE_WRONG, token_state=TokenState.SUSPENDED),
            LAST_MONTH,
            Verdict(Code.APPROVED, Decision.STEP_UP, TokenState.INACTIVE),
        ),
    ],
)
def test_a_token_is_issued_for_an_account_of_ours_whose_expiry_is_right_and_that_can_be_verified(
    account, expiry, verdict
):
    assert verify(account, expiry) == verdict


def test_only_the_right_passcode_is_answered_00():
    answers = {outcome: outcome.response_code for outcome in PasscodeOutcome}
    assert answers == {"RIGHT": "00", "WRONG": "55", "NO_TRIES_LEFT": "75", "EXPIRED": "54"}


@pytest.mark.parametrize("card", TEST_CARDS, ids=lambda card: card.name)
def test_a_test_card_that_cannot_be_saved_has_no_other_outcome(card):
    assert card.saving_outcome.approved or card.outcome is card.saving_outcome


def test_no_test_card_or_successor_has_the_number_of_another():
    numbers = [number for card in TEST_CARDS for number in (card.pan, card.successor) if number]
    assert len({Pan(number) for number in numbers}) == len(numbers)
