"""The acquirer's rules, as tables."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cardnet.response_code import ResponseCode as Code
from services.acquirer.domain import (
    MERCHANTS,
    Payment,
    RegisteredMerchant,
    acts_for,
    original_fault,
    refusal,
    rrn_prefix,
    stan,
    transmission_time,
)

SHOP = RegisteredMerchant(identity="merchant", category_code="7995", country="840", currencies=frozenset({"978"}))
"""A shop with a category that is blocked, so that every rule can be broken at once."""

ALL_WRONG = Payment(caller="somebody", category_code="7995", country="826", entry_mode=1, currency="840")
RIGHT_CALLER = replace(ALL_WRONG, caller="merchant")
RIGHT_COUNTRY = replace(RIGHT_CALLER, country="840")
RIGHT_MODE = replace(RIGHT_COUNTRY, entry_mode=81)
ALLOWED = replace(SHOP, category_code="5732")


def sells_5732(payment: Payment) -> Payment:
    return replace(payment, category_code="5732")


@pytest.mark.parametrize(
    ("merchant", "payment", "answer"),
    [
        (None, ALL_WRONG, Code.INVALID_MERCHANT),  # not set up
        (replace(SHOP, enabled=False), ALL_WRONG, Code.INVALID_MERCHANT),  # not the caller's
        (replace(SHOP, enabled=False), RIGHT_CALLER, Code.INVALID_MERCHANT),  # closed
        (SHOP, RIGHT_CALLER, Code.INVALID_MERCHANT),  # not its country
        (SHOP, sells_5732(RIGHT_COUNTRY), Code.INVALID_MERCHANT),  # not its category
        (SHOP, RIGHT_COUNTRY, Code.NOT_PERMITTED_TO_CARD),  # gambling
        (ALLOWED, sells_5732(RIGHT_COUNTRY), Code.INVALID_TRANSACTION),  # keyed in by hand
        (ALLOWED, sells_5732(RIGHT_MODE), Code.NOT_PERMITTED_TO_CARD),  # not its currency
        (ALLOWED, sells_5732(replace(RIGHT_MODE, currency="978")), None),
        (ALLOWED, sells_5732(replace(RIGHT_MODE, currency="978", entry_mode=10)), None),
    ],
)
def test_the_strongest_check_answers(
    merchant: RegisteredMerchant | None, payment: Payment, answer: Code | None
) -> None:
    assert refusal(merchant, payment) is answer


@pytest.mark.parametrize(
    ("begun_by_merchant", "original_rrn", "allowed"),
    [(True, True, True), (False, False, True), (True, False, False), (False, True, False)],
)
def test_an_original_is_named_where_the_merchant_begins_and_nowhere_else(
    begun_by_merchant: bool, original_rrn: bool, allowed: bool
) -> None:
    fault = original_fault(begun_by_merchant=begun_by_merchant, original_rrn=original_rrn)
    assert (fault is None) is allowed


@pytest.mark.parametrize(
    ("caller", "merchant_id", "answer"),
    [
        ("merchant", "MERCHANT0000001", True),
        ("merchant", "MERCHANT0000002", False),
        ("other-merchant", "MERCHANT0000002", True),
        ("merchant", "MERCHANT0000003", True),  # closed: what it took before can still be given back
        ("merchant", "MERCHANT9999999", False),
    ],
)
def test_a_caller_acts_for_its_own_merchants(caller: str, merchant_id: str, answer: bool) -> None:
    assert acts_for(caller, MERCHANTS.get(merchant_id)) is answer


@pytest.mark.parametrize(
    ("number", "expected"),
    [(1, "000001"), (999_998, "999998"), (999_999, "999999"), (1_000_000, "000001"), (1_999_998, "999999")],
)
def test_the_stan_counts_from_1_to_999999_and_never_is_all_zero(number: int, expected: str) -> None:
    assert stan(number) == expected


@pytest.mark.parametrize(
    ("moment", "rrn", "sent"),
    [
        ("2025-11-26T12:00:01", "533012", "1126120001"),  # the 330th day: standards.md 4.7 has it
        ("2030-01-01T00:00:00", "000100", "0101000000"),
        ("2028-12-31T23:59:59", "836623", "1231235959"),  # a leap year has 366 days
    ],
)
def test_a_payment_is_named_after_its_time(moment: str, rrn: str, sent: str) -> None:
    now = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert (rrn_prefix(now), transmission_time(now)) == (rrn, sent)
