"""The issuer's rulebook: what an account is and how a purchase on it is answered. Time comes in as an argument."""

from dataclasses import dataclass
from datetime import date
from enum import Enum, StrEnum
from typing import NamedTuple

from cardnet.card import Expiry, Pan, PaymentToken
from cardnet.money import Money
from cardnet.response_code import ResponseCode


class Status(StrEnum):
    """How an account stands, apart from its money."""

    OPEN = "OPEN"
    LOST = "LOST"
    STOLEN = "STOLEN"
    BLOCKED = "BLOCKED"
    DO_NOT_HONOUR = "DO_NOT_HONOUR"
    SILENT = "SILENT"
    """A test account about which the issuer never answers; the rules take it for an open one."""


class TokenState(StrEnum):
    """The state in which the issuer wants new tokens for a card."""

    INACTIVE = "INACTIVE"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    DELETED = "DELETED"


class Verification(StrEnum):
    """What the issuer does to verify an account before a token is issued."""

    ACCOUNT = "ACCOUNT"
    """It looks at the account alone."""
    PASSCODE = "PASSCODE"
    """It asks the cardholder for a one-time passcode."""
    PASSCODE_WRONG = "PASSCODE_WRONG"
    """The same, and the passcode that the cardholder has is never right."""
    DECLINE = "DECLINE"
    INELIGIBLE = "INELIGIBLE"
    """It has no tokens for the card's product."""


class Validation(Enum):
    """What is known of the token behind a purchase."""

    NOT_PERFORMED = "the token service provider made no check"
    PASSED = "it made every check that applies, and all passed"
    CRYPTOGRAM_RIGHT = "it left the cryptogram to us, and we find it right"
    CRYPTOGRAM_WRONG = "it left the cryptogram to us, and we find it wrong"
    NO_KEYS = "it left the cryptogram to us, and we have no keys"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account. What is available and what is held make up the limit, always, and neither is below 0."""

    expiry: Expiry
    available: Money
    held: Money
    holds: int
    status: Status = Status.OPEN
    purchase_limit: Money | None = None
    """The most that one purchase may cost, in the account's currency; None for no limit."""
    token_state: TokenState = TokenState.ACTIVE
    verification: Verification = Verification.ACCOUNT


class Transaction(NamedTuple):
    """What names one authorisation, and its reversal, at every hop."""

    acquirer_id: str
    stan: str
    transmission_time: str
    rrn: str


class Cryptogram(NamedTuple):
    """A cryptogram that was found right: good for one authorisation."""

    token: PaymentToken
    atc: int
    """The token's application transaction counter: each of its cryptograms has its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """A purchase that the issuer is asked about. The expiry is the card's, as the message brings it."""

    transaction: Transaction
    pan: Pan
    expiry: Expiry
    amount: Money
    merchant_id: str


class Answer(NamedTuple):
    """The issuer's answer: ISO 8583 fields 39 and 38. The auth code is empty unless approved."""

    response_code: ResponseCode
    auth_code: str


_STATUS_ANSWERS = {
    Status.STOLEN: ResponseCode.STOLEN_CARD,
    Status.LOST: ResponseCode.LOST_CARD,
    Status.BLOCKED: ResponseCode.RESTRICTED_CARD,
    Status.DO_NOT_HONOUR: ResponseCode.DO_NOT_HONOUR,
}
"""An account has one status, so these need no order among themselves."""

_VALIDATION_ANSWERS = {
    Validation.NOT_PERFORMED: ResponseCode.SECURITY_VIOLATION,
    Validation.CRYPTOGRAM_WRONG: ResponseCode.CRYPTOGRAM_FAILURE,
    Validation.NO_KEYS: ResponseCode.SYSTEM_MALFUNCTION,
}


def decide(account: Account | None, purchase: Purchase, validation: Validation, today: date) -> ResponseCode:
    """Answer a purchase. The rules stand in descending precedence: card, then token, then money."""
    if account is None:
        return ResponseCode.INVALID_CARD
    if account.status in _STATUS_ANSWERS:
        return _STATUS_ANSWERS[account.status]
    if purchase.expiry != account.expiry or account.expiry.passed(today.year, today.month):
        return ResponseCode.EXPIRED_CARD
    if validation in _VALIDATION_ANSWERS:
        return _VALIDATION_ANSWERS[validation]
    return _afford(account, purchase.amount)


def _afford(account: Account, amount: Money) -> ResponseCode:
    if amount.currency != account.available.currency:
        return ResponseCode.NOT_PERMITTED_TO_CARD
    if account.purchase_limit and amount.minor > account.purchase_limit.minor:
        return ResponseCode.LIMIT_EXCEEDED
    if amount.minor > account.available.minor:
        return ResponseCode.INSUFFICIENT_FUNDS
    return ResponseCode.APPROVED


def uses_up_cryptogram(answer: ResponseCode) -> bool:
    """Whether a purchase with this answer came as far as the rules of money, so that its cryptogram is spent."""
    return answer in _MONEY_ANSWERS


_MONEY_ANSWERS = {
    ResponseCode.NOT_PERMITTED_TO_CARD,
    ResponseCode.LIMIT_EXCEEDED,
    ResponseCode.INSUFFICIENT_FUNDS,
    ResponseCode.APPROVED,
}
