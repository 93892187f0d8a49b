"""What the network answers itself, and what it takes for an answer."""

from cardnet.errors import Unavailable
from cardnet.response_code import ResponseCode

WITHOUT_TSP = ResponseCode.SYSTEM_MALFUNCTION
"""The answer when the token service provider is silent: nobody stands in for its checks (docs/decisions/0004)."""

WITHOUT_ISSUER = ResponseCode.ISSUER_UNAVAILABLE
"""The answer when the issuer is silent: 91 and not 05, which would speak of the card."""

_SETTLING = {ResponseCode.APPROVED, ResponseCode.RECORD_NOT_FOUND, ResponseCode.ORIGINAL_AMOUNT_INCORRECT}


def settles(response_code: str) -> bool:
    """Whether a reversal's answer is one that asking again will not change: given back, or nothing of it there."""
    return response_code in _SETTLING


def same_account(asked: str, answered: str) -> None:
    """Unavailable if an issuer answers about another PAN than it was asked about: its answer is not one to ours."""
    if asked != answered:
        raise Unavailable("ANSWER_MISMATCHED", "the issuer's answer belongs to another account")
