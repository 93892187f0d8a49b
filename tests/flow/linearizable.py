"""Whether a history of one token can have come about one step at a time, each between its question and its answer.

Wing and Gong's search (J. Parallel and Distributed Computing 17, 1993) with Lowe's memory of what was tried. A payment
changes nothing of the token, so it can be put in its place as soon as it fits; only changes are tried in every order.
"""

from collections.abc import Sequence
from typing import NamedTuple

Suspended = frozenset[str]
"""The model: who suspends the token now."""

PAY, SUSPEND, RESUME = "pay", "suspend", "resume"
APPROVED, DONE, NOT_THEIRS, IS_SUSPENDED = "00", "00", "57", "62"


class Operation(NamedTuple):
    """One question and its answer. begun, ended: places in one count of all that the asker saw."""

    name: str
    begun: int
    ended: int
    outcome: str
    party: str = ""
    """Who changes the token; empty for a payment."""


def linearizable(history: Sequence[Operation]) -> bool:
    """Whether some order of the operations explains all outcomes and keeps who came after whose answer behind them."""
    waiting: list[tuple[frozenset[Operation], Suspended]] = [(frozenset(history), frozenset())]
    tried: set[tuple[frozenset[Operation], Suspended]] = set()
    while waiting:
        left, suspended = waiting.pop()
        left = _without_payments_that_fit(left, suspended)
        if not left:
            return True
        if (left, suspended) in tried:
            continue
        tried.add((left, suspended))
        for operation in _next(left):
            if operation.name != PAY and _outcome(operation, suspended) == operation.outcome:
                waiting.append((left - {operation}, _after(operation, suspended)))
    return False


def _next(left: frozenset[Operation]) -> list[Operation]:
    """The operations that may be the next: those that began before any of the others had its answer."""
    first_answer = min(operation.ended for operation in left)
    return [operation for operation in left if operation.begun < first_answer]


def _without_payments_that_fit(left: frozenset[Operation], suspended: Suspended) -> frozenset[Operation]:
    while left:
        fitting = {one for one in _next(left) if one.name == PAY and _outcome(one, suspended) == one.outcome}
        if not fitting:
            break
        left -= fitting
    return left


def _outcome(operation: Operation, suspended: Suspended) -> str:
    """What must come of an operation on a token that these suspend."""
    if operation.name == PAY:
        return IS_SUSPENDED if suspended else APPROVED
    if operation.name == RESUME and suspended and operation.party not in suspended:
        return NOT_THEIRS
    return DONE


def _after(operation: Operation, suspended: Suspended) -> Suspended:
    party = {operation.party}
    return suspended | party if operation.name == SUSPEND else suspended - party
