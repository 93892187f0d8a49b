"""What a token is and where it may be used (EMVCo framework 2.3, sections 4 and 5).

The enumerations have the numbers of protos/cardnet/cde/v1/token_vault.proto; a test proves it.
"""

from dataclasses import dataclass, replace
from datetime import date
from enum import IntEnum
from typing import Any, NamedTuple

from cardnet.card import CardRange, Expiry, Pan, PaymentToken, luhn_digit
from cardnet.response_code import ResponseCode

MERCHANT_COUNTRY = "840"
"""Where merchants are who registered no country: ISO 3166-1, numeric."""

TOKEN_LIFE_YEARS = 3
"""A token expires at the end of the month in which it was issued, so many years later."""


class TokenState(IntEnum):
    """What a token can be used for now."""

    PENDING = 0
    """Reserved and told to nobody yet; no message carries this state."""
    INACTIVE = 1
    ACTIVE = 2
    SUSPENDED = 3
    DELETED = 4


class EntryMode(IntEnum):
    """How the card's data came to the point of sale (ISO 8583 field 22)."""

    MANUAL = 1
    CREDENTIAL_ON_FILE = 10
    ECOMMERCE = 81


class Usage(IntEnum):
    """What a requestor uses its tokens for."""

    ONE_TIME = 1
    CARD_ON_FILE = 2
    RECURRING = 3


class Location(IntEnum):
    """Where the requestor keeps its tokens (EMVCo framework 2.3, table 5.1)."""

    UNSPECIFIED = 0
    REMOTE = 1
    SECURE_ELEMENT = 2
    DEVICE = 3
    SECURED_DEVICE = 4
    SECURED_REMOTE = 5
    SHARED = 6
    TEMPORARY = 7


class Party(IntEnum):
    """Who may act on a token."""

    REQUESTOR = 1
    ISSUER = 2
    TSP = 3
    """The token service provider itself: its operator, or its limit on failed cryptograms."""


class Cause(IntEnum):
    """Why something was done to a token."""

    CARDHOLDER = 1
    LOST_OR_STOLEN = 2
    FRAUD = 3
    FAILED_CRYPTOGRAMS = 4
    CARD_REPLACED = 5
    CLOSED = 6
    CARDHOLDER_CONFIRMED = 7
    OTHER = 8


class Initiator(IntEnum):
    """Who begins a payment; a message that does not say means the cardholder."""

    CARDHOLDER = 1
    MERCHANT = 2


class Control(IntEnum):
    """A check that step 4 makes."""

    TOKEN = 1
    TOKEN_REQUESTOR_ID = 2
    MERCHANT = 3
    POS_ENTRY_MODE = 4
    TOKEN_STATE = 5
    TOKEN_EXPIRY = 6
    CRYPTOGRAM = 7
    INITIATOR = 8
    USAGE = 9


class Refusal(IntEnum):
    """Why a PAN is not told; false where it is."""

    NONE = 0
    TOKEN_UNKNOWN = 1
    TOKEN_REQUESTOR_MISMATCH = 2
    MERCHANT_NOT_ALLOWED = 3
    ENTRY_MODE_NOT_ALLOWED = 4
    TOKEN_INACTIVE = 5
    TOKEN_SUSPENDED = 6
    TOKEN_DELETED = 7
    TOKEN_EXPIRY_MISMATCH = 8
    TOKEN_EXPIRED = 9
    CRYPTOGRAM_MISSING = 10
    CRYPTOGRAM_FORMAT = 11
    CRYPTOGRAM_KEY_UNKNOWN = 12
    CRYPTOGRAM_WRONG = 13
    CRYPTOGRAM_REPLAYED = 14
    CRYPTOGRAM_EXPIRED = 15
    TRANSACTION_REVERSED = 16
    USAGE_EXHAUSTED = 17
    INITIATOR_NOT_ALLOWED = 18
    ORIGINAL_UNKNOWN = 19


RESPONSE_CODES = {
    Refusal.NONE: ResponseCode.APPROVED,
    Refusal.TOKEN_UNKNOWN: ResponseCode.INVALID_CARD,
    Refusal.TOKEN_REQUESTOR_MISMATCH: ResponseCode.NOT_PERMITTED_TO_CARD,
    Refusal.MERCHANT_NOT_ALLOWED: ResponseCode.NOT_PERMITTED_TO_CARD,
    Refusal.ENTRY_MODE_NOT_ALLOWED: ResponseCode.NOT_PERMITTED_TO_TERMINAL,
    Refusal.TOKEN_INACTIVE: ResponseCode.TOKEN_NOT_IN_USE,
    Refusal.TOKEN_SUSPENDED: ResponseCode.RESTRICTED_CARD,
    Refusal.TOKEN_DELETED: ResponseCode.TOKEN_NOT_IN_USE,
    Refusal.TOKEN_EXPIRY_MISMATCH: ResponseCode.EXPIRED_CARD,
    Refusal.TOKEN_EXPIRED: ResponseCode.EXPIRED_CARD,
    Refusal.CRYPTOGRAM_MISSING: ResponseCode.SECURITY_VIOLATION,
    Refusal.CRYPTOGRAM_FORMAT: ResponseCode.CRYPTOGRAM_FAILURE,
    Refusal.CRYPTOGRAM_KEY_UNKNOWN: ResponseCode.CRYPTOGRAM_FAILURE,
    Refusal.CRYPTOGRAM_WRONG: ResponseCode.CRYPTOGRAM_FAILURE,
    Refusal.CRYPTOGRAM_REPLAYED: ResponseCode.CRYPTOGRAM_FAILURE,
    Refusal.CRYPTOGRAM_EXPIRED: ResponseCode.CRYPTOGRAM_FAILURE,
    Refusal.TRANSACTION_REVERSED: ResponseCode.RESPONSE_TOO_LATE,
    Refusal.USAGE_EXHAUSTED: ResponseCode.USAGE_EXHAUSTED,
    Refusal.INITIATOR_NOT_ALLOWED: ResponseCode.NOT_PERMITTED_TO_CARD,
    Refusal.ORIGINAL_UNKNOWN: ResponseCode.NOT_PERMITTED_TO_CARD,
}
"""What acquirer and merchant see of a refusal: the developer profile, which tells more than real networks do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """Where a token may be used: its domain restriction controls."""

    merchant_ids: frozenset[str]
    merchant_domain: str
    """The host name of the merchants' site."""
    entry_modes: frozenset[EntryMode]
    cryptogram_required: bool
    usage: Usage = Usage.CARD_ON_FILE


@dataclass(frozen=True, slots=True)
class Requestor:
    """A Token Requestor: one identifier for each party and use of tokens (EMVCo framework 2.3, section 5.2.1)."""

    token_requestor_id: str
    identity: str
    """The caller to whom it is registered, by its name in cardnet/identity.py."""
    domain: Domain
    location: Location = Location.REMOTE
    merchant_country: str = MERCHANT_COUNTRY
    """Of its card acceptors: ISO 3166-1, numeric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRecord:
    """What the vault knows of a token. Neither token nor PAN is in here: those are sealed."""

    state: TokenState
    suspended_by: frozenset[Party]
    """Who must resume it before it is active again: empty unless suspended."""
    token_requestor_id: str
    domain: Domain
    location: Location
    token_expiry: Expiry
    assurance_level: str
    assurance_data: str
    par: str
    pan_product_id: str
    pan_last_four: str
    issued_on: date

    def usable_from(self, today: date) -> bool:
        """Whether the token has a future: it is neither deleted nor expired."""
        return self.state is not TokenState.DELETED and not self.token_expiry.passed(today.year, today.month)

    def changed(self, **facts: Any) -> "TokenRecord":
        """The same record with other facts, by their names here."""
        return replace(self, **facts)


class Assurance(NamedTuple):
    """What was done to find that a card is its holder's, and by whom (EMVCo framework 2.3, section 6)."""

    level: str
    """Token Assurance Method, 2 digits."""
    data: str


def new_record(
    pan: Pan,
    requestor: Requestor,
    state: TokenState,
    *,
    par: str,
    assurance: Assurance,
    today: date,
    location: Location = Location.UNSPECIFIED,
) -> TokenRecord:
    """The record of a token that is to be issued after the issuer verified the account.

    state: in which the issuer wants it. location: what the request said, else what the requestor registered.
    """
    return TokenRecord(
        state=state,
        suspended_by=frozenset({Party.ISSUER} if state is TokenState.SUSPENDED else ()),
        token_requestor_id=requestor.token_requestor_id,
        domain=requestor.domain,
        location=location or requestor.location,
        token_expiry=Expiry(today.year + TOKEN_LIFE_YEARS, today.month),
        assurance_level=assurance.level,
        assurance_data=assurance.data,
        par=par,
        pan_product_id=pan.range.product_id,
        pan_last_four=pan.last_four,
        issued_on=today,
    )


def token_number(card_range: CardRange, chance: str) -> PaymentToken:
    """A token of 16 digits in the range that belongs to a card's. chance: 19 random digits."""
    least, greatest = int(card_range.token_low), int(card_range.token_high)
    digits = f"{least + int(chance[7:]) % (greatest - least + 1)}{chance[:7]}"
    return PaymentToken(digits + luhn_digit(digits))
