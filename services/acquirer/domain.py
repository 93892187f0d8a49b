"""The acquirer's own rules: whose payments it takes, and how it numbers them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cardnet.money import CURRENCY_NUMBERS, Currency
from cardnet.response_code import ResponseCode

ENTRY_MODES = frozenset({10, 81})
"""Credential on file and e-commerce: the POS entry modes (ISO 8583 field 22) of payments without a card at hand."""

BLOCKED_CATEGORIES = frozenset({"7995"})
"""What this acquirer does not let its merchants sell: 7995 is gambling."""

GREATEST_STAN = 999_999


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredMerchant:
    """A merchant as it was set up with the acquirer."""

    identity: str
    """The caller that may act for it."""
    category_code: str
    country: str
    currencies: frozenset[str]
    """The currencies that it takes, by their ISO 4217 numbers."""
    enabled: bool = True


MERCHANTS: Mapping[str, RegisteredMerchant] = {
    "MERCHANT0000001": RegisteredMerchant(
        identity="merchant", category_code="5732", country="840", currencies=CURRENCY_NUMBERS
    ),
    "MERCHANT0000002": RegisteredMerchant(
        identity="other-merchant", category_code="5942", country="826", currencies=frozenset({Currency.GBP.number})
    ),
    "MERCHANT0000003": RegisteredMerchant(  # closed
        identity="merchant", category_code="5732", country="840", currencies=CURRENCY_NUMBERS, enabled=False
    ),
    "MERCHANT0000004": RegisteredMerchant(  # set up, and then its whole category was blocked
        identity="merchant", category_code="7995", country="840", currencies=CURRENCY_NUMBERS
    ),
    "MERCHANT0000005": RegisteredMerchant(
        identity="merchant", category_code="5411", country="392", currencies=frozenset({Currency.JPY.number})
    ),
}
"""The merchants of this acquirer by their merchant_id (ISO 8583 field 42)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """What the acquirer looks at in a payment whose fields have the right form."""

    caller: str
    category_code: str
    country: str
    entry_mode: int
    currency: str


def refusal(merchant: RegisteredMerchant | None, payment: Payment) -> ResponseCode | None:
    """The processing checks of step 3, in descending precedence. None: the payment goes to the network."""
    if merchant is None or merchant.identity != payment.caller or not merchant.enabled:
        return ResponseCode.INVALID_MERCHANT
    if (payment.category_code, payment.country) != (merchant.category_code, merchant.country):
        return ResponseCode.INVALID_MERCHANT
    if payment.category_code in BLOCKED_CATEGORIES:
        return ResponseCode.NOT_PERMITTED_TO_CARD
    if payment.entry_mode not in ENTRY_MODES:
        return ResponseCode.INVALID_TRANSACTION
    if payment.currency not in merchant.currencies:
        return ResponseCode.NOT_PERMITTED_TO_CARD
    return None


def original_fault(*, begun_by_merchant: bool, original_rrn: bool) -> str | None:
    """The rule that a payment breaks by naming an original payment or by naming none, or None. True: it does so.

    What the merchant begins without the cardholder goes back to something that the cardholder agreed to, and nothing
    else does (EMVCo framework 2.3, table 10.6: the Original Transaction Reference).
    """
    if begun_by_merchant and not original_rrn:
        return "must be given where the merchant begins: the rrn of the cardholder's payment that this one goes back to"
    if original_rrn and not begun_by_merchant:
        return "must be left out unless initiator says that the merchant begins"
    return None


def acts_for(caller: str, merchant: RegisteredMerchant | None) -> bool:
    """Whether the caller may act for this merchant. A closed one may still take payments back."""
    return merchant is not None and merchant.identity == caller


def stan(number: int) -> str:
    """The system trace audit number of the acquirer's payment number 1, 2, 3 …: six digits, 000001 after 999999."""
    return f"{(number - 1) % GREATEST_STAN + 1:06}"


def rrn_prefix(now: datetime) -> str:
    """The six digits that begin a retrieval reference number, YDDDHH; the STAN completes it (ISO 8583 field 37)."""
    return f"{now.year % 10}{now:%j%H}"


def transmission_time(now: datetime) -> str:
    """MMDDhhmmss of a time in UTC (ISO 8583 field 7)."""
    return f"{now:%m%d%H%M%S}"
