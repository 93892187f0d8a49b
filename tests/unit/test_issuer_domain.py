"""The issuer's rules, each alone and in their order."""

from dataclasses import replace
from datetime import date

import pytest

from cardnet.card import Expiry, Pan
from cardnet.money import Money
from cardnet.response_code import ResponseCode as Code
from cardnet.test_cards import test_card
from services.issuer.domain import (
    Account,
    Purchase,
    Status,
    Transaction,
    Validation,
    decide,
    uses_up_cryptogram,
    verify,
)

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


@pytest.mark.parametrize(
    ("account", "expiry", "answer"),
    [
        (None, THIS_MONTH, Code.INVALID_CARD),
        (replace(GOOD, status=Status.STOLEN), OTHER, Code.EXPIRED_CARD),
        (replace(GOOD, status=Status.STOLEN), THIS_MONTH, Code.APPROVED),
        (replace(GOOD, expiry=LAST_MONTH), LAST_MONTH, Code.APPROVED),
        (GOOD, THIS_MONTH, Code.APPROVED),
    ],
)
def test_a_card_can_be_put_on_file_when_it_is_ours_and_its_expiry_is_right(account, expiry, answer):
    assert verify(account, expiry) is answer
