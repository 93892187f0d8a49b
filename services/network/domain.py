"""What the network answers itself, and what it takes for an answer."""

from cardnet.errors import Unavailable
from cardnet.response_code import ResponseCode

WITHOUT_TSP = ResponseCode.SYSTEM_MALFUNCTION
"""The answer when the token service provider is silent: nobody stands in for its checks (standards: no stand-in)."""

WITHOUT_ISSUER = ResponseCode.ISSUER_UNAVAILABLE
"""The answer when the issuer is silent: 91 and not 05, which would speak of the card."""


def same_account(asked: str, answered: str) -> None:
    """Unavailable if an issuer answers about another PAN than it was asked about: its answer is not one to ours."""
    if asked != answered:
        raise Unavailable("ANSWER_MISMATCHED", "the issuer's answer belongs to another account")
