"""The checks of step 4 in their one order (EMVCo framework 2.3, sections 10.7 and 10.8; the order is BAX's)."""

from collections.abc import Callable
from datetime import date
from enum import Enum, auto
from typing import NamedTuple

from cardnet.card import Expiry
from services.tsp.domain import Control, EntryMode, Initiator, Refusal, TokenRecord, TokenState, Usage


class Finding(Enum):
    """What a look at a message's cryptogram brought, before its use is looked up."""

    ABSENT = auto()
    FORMAT_UNKNOWN = auto()
    KEY_UNKNOWN = auto()
    LEFT_TO_ISSUER = auto()
    """Format and key are known; the issuer validates the rest."""
    WRONG = auto()
    RIGHT = auto()


class Use(NamedTuple):
    """A use of a token that somebody asks for."""

    token_requestor_id: str
    """Empty where the message brings none."""
    merchant_id: str
    merchant_domain: str
    entry_mode: EntryMode | None
    """None where there is none yet: a cryptogram is asked for before the payment."""
    token_expiry: Expiry | None
    """None where the token was named by its reference."""
    cryptogram: Finding
    initiator: Initiator = Initiator.CARDHOLDER
    original_rrn: str = ""
    """The cardholder's payment that the merchant's goes back to."""


class Verdict(NamedTuple):
    """The outcome of the checks: the first refusal, if any, and the controls that were applied and passed before it."""

    refusal: Refusal
    passed: tuple[Control, ...]


Outcome = Refusal | bool
"""Of one check: a refusal, or whether there was anything to check."""


def verify(record: TokenRecord | None, use: Use, today: date) -> Verdict:
    """Hold a use against the token's record; the rules stand in fixed order and the first that is broken answers.

    Before them come caller and form, which the border checks; after them the cryptogram's use, which the vault decides
    in one step with marking it.
    """
    if record is None:
        return Verdict(Refusal.TOKEN_UNKNOWN, ())
    passed = [Control.TOKEN]
    for control, check in _CHECKS:
        outcome = check(record, use, today)
        if isinstance(outcome, Refusal):
            return Verdict(outcome, tuple(passed))
        if outcome:
            passed.append(control)
    return Verdict(Refusal.NONE, tuple(passed))


def _requestor(record: TokenRecord, use: Use, _today: date) -> Outcome:
    if use.token_requestor_id in ("", record.token_requestor_id):
        return use.token_requestor_id != ""
    return Refusal.TOKEN_REQUESTOR_MISMATCH


def _merchant(record: TokenRecord, use: Use, _today: date) -> Outcome:
    domain = record.domain
    if use.merchant_id in domain.merchant_ids and use.merchant_domain == domain.merchant_domain:
        return True
    return Refusal.MERCHANT_NOT_ALLOWED


def _entry_mode(record: TokenRecord, use: Use, _today: date) -> Outcome:
    if use.entry_mode is None:
        return False
    return use.entry_mode in record.domain.entry_modes or Refusal.ENTRY_MODE_NOT_ALLOWED


def _state(record: TokenRecord, _use: Use, _today: date) -> Outcome:
    return _STATE_REFUSALS.get(record.state, True)


def _expiry(record: TokenRecord, use: Use, today: date) -> Outcome:
    if use.token_expiry not in (None, record.token_expiry):
        return Refusal.TOKEN_EXPIRY_MISMATCH
    return Refusal.TOKEN_EXPIRED if record.token_expiry.passed(today.year, today.month) else True


def _initiator(record: TokenRecord, use: Use, _today: date) -> Outcome:
    if use.initiator is Initiator.CARDHOLDER:
        return False
    if record.domain.usage is not Usage.RECURRING:
        return Refusal.INITIATOR_NOT_ALLOWED
    return True if use.original_rrn else Refusal.ORIGINAL_UNKNOWN  # whether it exists, the vault knows


def _cryptogram(record: TokenRecord, use: Use, _today: date) -> Outcome:
    if use.cryptogram is Finding.ABSENT:
        return record.domain.cryptogram_required and use.entry_mode is not None and Refusal.CRYPTOGRAM_MISSING
    return _CRYPTOGRAM_OUTCOMES[use.cryptogram]


_CHECKS: tuple[tuple[Control, Callable[[TokenRecord, Use, date], Outcome]], ...] = (
    (Control.TOKEN_REQUESTOR_ID, _requestor),
    (Control.MERCHANT, _merchant),
    (Control.POS_ENTRY_MODE, _entry_mode),
    (Control.INITIATOR, _initiator),
    (Control.TOKEN_STATE, _state),
    (Control.TOKEN_EXPIRY, _expiry),
    (Control.CRYPTOGRAM, _cryptogram),
)

_STATE_REFUSALS: dict[TokenState, Outcome] = {
    TokenState.PENDING: Refusal.TOKEN_UNKNOWN,
    TokenState.INACTIVE: Refusal.TOKEN_INACTIVE,
    TokenState.SUSPENDED: Refusal.TOKEN_SUSPENDED,
    TokenState.DELETED: Refusal.TOKEN_DELETED,
}

CONTROLS_OF = {
    Refusal.TOKEN_UNKNOWN: Control.TOKEN,
    Refusal.TOKEN_REQUESTOR_MISMATCH: Control.TOKEN_REQUESTOR_ID,
    Refusal.MERCHANT_NOT_ALLOWED: Control.MERCHANT,
    Refusal.ENTRY_MODE_NOT_ALLOWED: Control.POS_ENTRY_MODE,
    Refusal.INITIATOR_NOT_ALLOWED: Control.INITIATOR,
    Refusal.ORIGINAL_UNKNOWN: Control.INITIATOR,
    Refusal.TOKEN_INACTIVE: Control.TOKEN_STATE,
    Refusal.TOKEN_SUSPENDED: Control.TOKEN_STATE,
    Refusal.TOKEN_DELETED: Control.TOKEN_STATE,
    Refusal.TOKEN_EXPIRY_MISMATCH: Control.TOKEN_EXPIRY,
    Refusal.TOKEN_EXPIRED: Control.TOKEN_EXPIRY,
    Refusal.USAGE_EXHAUSTED: Control.USAGE,
    Refusal.TRANSACTION_REVERSED: Control.USAGE,
    Refusal.CRYPTOGRAM_MISSING: Control.CRYPTOGRAM,
    Refusal.CRYPTOGRAM_FORMAT: Control.CRYPTOGRAM,
    Refusal.CRYPTOGRAM_KEY_UNKNOWN: Control.CRYPTOGRAM,
    Refusal.CRYPTOGRAM_WRONG: Control.CRYPTOGRAM,
    Refusal.CRYPTOGRAM_REPLAYED: Control.CRYPTOGRAM,
    Refusal.CRYPTOGRAM_EXPIRED: Control.CRYPTOGRAM,
}
"""The control that each refusal belongs to."""

_CRYPTOGRAM_OUTCOMES: dict[Finding, Outcome] = {
    Finding.FORMAT_UNKNOWN: Refusal.CRYPTOGRAM_FORMAT,
    Finding.KEY_UNKNOWN: Refusal.CRYPTOGRAM_KEY_UNKNOWN,
    Finding.WRONG: Refusal.CRYPTOGRAM_WRONG,
    Finding.LEFT_TO_ISSUER: False,
    Finding.RIGHT: True,
}
