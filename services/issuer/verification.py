"""How the issuer verifies an account before a token is issued: EMVCo's ID&V. Pure.

What is said of it is what was done (EMVCo framework 2.3, section 6.1): looking at the account is method 10, whoever it
belongs to; asking its holder for a passcode is method 11, and only when the passcode was right.
"""

from enum import StrEnum
from typing import NamedTuple

from cardnet.card import Expiry
from cardnet.response_code import ResponseCode
from services.issuer.domain import Account, TokenState, Verification


class Assurance(NamedTuple):
    """What was done to find that a card is its holder's: EMVCo's Token Assurance Method, and the same in words."""

    level: str
    data: str


ACCOUNT_VERIFIED = Assurance("10", "issuer account verification")
PASSCODE_GIVEN = Assurance("11", "issuer one-time passcode")


class Decision(StrEnum):
    """How the issuer decided about a new token."""

    APPROVED = "APPROVED"
    STEP_UP = "STEP_UP"
    """The cardholder is asked for a passcode first."""
    DECLINED = "DECLINED"
    INELIGIBLE = "INELIGIBLE"


class Verdict(NamedTuple):
    """What the issuer says of an account. The token's state is there unless it refuses."""

    response_code: ResponseCode
    decision: Decision
    token_state: TokenState | None = None


def verify(account: Account | None, expiry: Expiry) -> Verdict:
    """Whether a token may stand for an account. The rules stand in descending precedence.

    Status and date do not matter here, so that test cards which are lost or expired can be put on file: they behave as
    if they had gone bad afterwards.
    """
    if account is None:
        return Verdict(ResponseCode.INVALID_CARD, Decision.DECLINED)
    if account.expiry != expiry:
        return Verdict(ResponseCode.EXPIRED_CARD, Decision.DECLINED)
    if account.verification is Verification.INELIGIBLE:
        return Verdict(ResponseCode.NOT_PERMITTED_TO_CARD, Decision.INELIGIBLE)
    if account.verification is Verification.DECLINE:
        return Verdict(ResponseCode.DO_NOT_HONOUR, Decision.DECLINED)
    if account.verification is Verification.ACCOUNT:
        return Verdict(ResponseCode.APPROVED, Decision.APPROVED, account.token_state)
    return Verdict(ResponseCode.APPROVED, Decision.STEP_UP, TokenState.INACTIVE)


class PasscodeOutcome(StrEnum):
    """What came of a passcode that was typed."""

    RIGHT = "RIGHT"
    WRONG = "WRONG"
    NO_TRIES_LEFT = "NO_TRIES_LEFT"
    EXPIRED = "EXPIRED"

    @property
    def response_code(self) -> ResponseCode:
        """The same as ISO 8583 field 39 has it."""
        return _ANSWERS[self]


_ANSWERS = {
    PasscodeOutcome.RIGHT: ResponseCode.APPROVED,
    PasscodeOutcome.WRONG: ResponseCode.PASSCODE_WRONG,
    PasscodeOutcome.NO_TRIES_LEFT: ResponseCode.PASSCODE_TRIES_EXCEEDED,
    PasscodeOutcome.EXPIRED: ResponseCode.EXPIRED_CARD,
}


class PasscodeTried(NamedTuple):
    """A passcode that was typed: what came of it, and how many tries are left."""

    outcome: PasscodeOutcome
    tries_left: int = 0
