"""What fault switches did to calls, read from the words that the callers' spans have of it (cardnet/faults.py).

Anybody may send spans: words that no switch has explain nothing.
"""

import re


def explains(switch: str, fault: str, took_ms: float) -> bool:
    """Whether a call failed because of what was done to it: then nobody else is to blame.

    switch: in words, as a span has them; several are separated by "; ". fault: the gRPC status, or empty.
    """
    return bool(fault) and (_LOST in switch.split("; ") or unsent(switch, fault, took_ms))


def unsent(switch: str, fault: str, took_ms: float) -> bool:
    """Whether a call failed before anybody was asked."""
    return bool(fault) and any(_holds_back(part, took_ms) for part in switch.split("; "))


def _holds_back(part: str, took_ms: float) -> bool:
    if later := _LATER.fullmatch(part):
        # Given up before it was sent: a shorter delay is not why it failed.
        return int(later[1].replace(",", "")) >= took_ms
    return _UNSENT.fullmatch(part) is not None


_LOST = "the answer is lost"
_UNSENT = re.compile("the request does not arrive|answered [A-Z_]{1,30}, nobody is asked")
_LATER = re.compile("each request arrives ([0-9][0-9,]{0,11}) ms later")
