"""What the token service provider is set up to do, and what it does on demand: the amounts that a test may choose."""

from dataclasses import dataclass
from enum import Enum

from cardnet.errors import Unavailable
from cardnet.response_code import ResponseCode
from services.tsp.domain import RESPONSE_CODES, Refusal


class Outage(Enum):
    """What may be brought about besides refusals."""

    TSP = "the token service provider does not answer"


FAILED_CRYPTOGRAMS = frozenset({Refusal.CRYPTOGRAM_FORMAT, Refusal.CRYPTOGRAM_KEY_UNKNOWN, Refusal.CRYPTOGRAM_WRONG})
"""What somebody brings about who guesses cryptograms. One that comes twice or late was right once: nobody guessed."""

PROBING = FAILED_CRYPTOGRAMS | {
    Refusal.TOKEN_UNKNOWN,
    Refusal.TOKEN_REQUESTOR_MISMATCH,
    Refusal.MERCHANT_NOT_ALLOWED,
}
"""What somebody brings about who looks for tokens."""

BY_AMOUNT: dict[int, Refusal | Outage] = {
    7714: Refusal.TOKEN_UNKNOWN,
    7754: Refusal.TOKEN_EXPIRED,
    7757: Refusal.MERCHANT_NOT_ALLOWED,
    7758: Refusal.ENTRY_MODE_NOT_ALLOWED,
    7762: Refusal.TOKEN_SUSPENDED,
    7763: Refusal.CRYPTOGRAM_MISSING,
    7765: Refusal.USAGE_EXHAUSTED,
    7778: Refusal.TOKEN_DELETED,
    7782: Refusal.CRYPTOGRAM_WRONG,
    7796: Outage.TSP,
}
"""The last four digits of an amount in minor units, and what step 4 makes of it: 77 and the response code."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The token service provider's rules of its own, from its settings."""

    cryptogram_window_s: int = 900
    """How long a cryptogram is good."""
    left_to_issuer: bool = False
    """Whether value and use of cryptograms are left to the issuer."""
    most_failures: int = 5
    """How many cryptograms of one token may fail in a row: then it is suspended."""
    amounts_decide: bool = True
    """Whether amounts that end in 77.. bring refusals about."""
    answers_alike: bool = False
    """Whether whoever looks for tokens gets one answer, 14, whatever was wrong, as from real networks."""

    def response_code(self, refusal: Refusal) -> ResponseCode:
        """What acquirer and merchant are told of a refusal."""
        if self.answers_alike and refusal in PROBING:
            return ResponseCode.INVALID_CARD
        return RESPONSE_CODES[refusal]

    def outcome_of(self, amount_minor: int) -> Refusal:
        """The refusal that an amount brings about by itself, or none. Unavailable where it brings an outage about."""
        outcome = BY_AMOUNT.get(amount_minor % 10_000, Refusal.NONE) if self.amounts_decide else Refusal.NONE
        if isinstance(outcome, Refusal):
            return outcome
        raise Unavailable("OUTAGE_ON_DEMAND", "the token service provider is away for an amount that ends in 7796")
