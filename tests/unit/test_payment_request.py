"""Claims that bind a wallet's details to one payment request: they fit it as a whole, and for some minutes."""

from datetime import UTC, datetime, timedelta

import pytest

from cardnet.errors import InvalidField
from cardnet.money import Money
from cardnet.payment_request import Claims, PaymentRequest

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
TOTAL = Money.parse("12.40 USD")
REQUEST = PaymentRequest("request-1", "http://localhost:8080", TOTAL)
CLAIMS = Claims("request-1", "http://localhost:8080", TOTAL, NOW_S, NOW_S + 300, "details-1")


def test_without_claims_there_is_nothing_to_read() -> None:
    assert Claims.read({"cardNumber": "9999400000000014"}) is None


def test_claims_that_fit_are_taken() -> None:
    CLAIMS.check(REQUEST, NOW)
    CLAIMS.check(REQUEST, NOW - timedelta(seconds=60))  # the wallet's clock is a little ahead
    CLAIMS.check(REQUEST, NOW + timedelta(seconds=299))


def test_the_slash_that_chromium_writes_after_an_origin_is_no_difference() -> None:
    assert Claims.read(CLAIMS.members | {"topOrigin": "http://localhost:8080/"}) == CLAIMS


@pytest.mark.parametrize("amount", ["12.40 USD", "1240 JPY", "12.400 KWD", "0.01 EUR"])
def test_a_total_has_its_currency_s_own_decimals(amount: str) -> None:
    claims = CLAIMS._replace(total=Money.parse(amount))
    assert Claims.read(claims.members) == claims
    claims.check(REQUEST._replace(total=Money.parse(amount)), NOW)


@pytest.mark.parametrize(
    ("claims", "claim"),
    [
        (CLAIMS._replace(payment_request_id="request-2"), "paymentRequestId"),
        (CLAIMS._replace(top_origin="http://localhost:8081"), "topOrigin"),
        (CLAIMS._replace(total=Money.parse("12.41 USD")), "total"),
        (CLAIMS._replace(total=Money.parse("12.40 EUR")), "total"),
        (CLAIMS._replace(total=Money.parse("1240 JPY")), "total"),
        (CLAIMS._replace(issued_at=NOW_S + 61, expires_at=NOW_S + 361), "iat"),
        (CLAIMS._replace(issued_at=NOW_S - 300, expires_at=NOW_S), "exp"),
        (CLAIMS._replace(expires_at=NOW_S + 601), "exp"),
        (CLAIMS._replace(issued_at=NOW_S + 50, expires_at=NOW_S + 50), "exp"),
    ],
)
def test_a_claim_that_does_not_fit_is_named(claims: Claims, claim: str) -> None:
    with pytest.raises(InvalidField) as caught:
        claims.check(REQUEST, NOW)
    assert caught.value.field == claim
