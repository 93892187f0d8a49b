"""The checks that the token service provider made in step 4, as a trace tells of them."""

from typing import Literal, NamedTuple

from cardnet.traces.refusals import CONTROLS, REFUSALS
from cardnet.traces.trace import Trace, TracedStep
from cardnet.traces.words import control

Result = Literal["passed", "refused", "not reached", "not applied", "not recorded"]


class Check(NamedTuple):
    """One check. name: as in the protos' Control, in the picture's words: "merchant", "TRID"; or UNTOLD's."""

    name: str
    result: Result


UNTOLD = Check("the answer", "not recorded")
"""In place of all checks: they may have been made, and what came of them is not here."""


def checks_of(trace: Trace) -> list[Check]:
    """The checks in the order in which they are made; empty where nobody asked for them, UNTOLD where nobody told."""
    step = next((step for step in trace.steps if step.number == 4), None)
    if step is None or step.unsent:
        return []
    if not _answered(step):
        return [UNTOLD]
    return [Check(control(name), result) for name, result in _results(step).items()]


def _answered(step: TracedStep) -> bool:
    return "controls_passed" in step.fields or "refusal" in step.fields


def _results(step: TracedStep) -> dict[str, Result]:
    passed = set(step.fields.get("controls_passed", "").split(", "))
    refusal = step.fields.get("refusal", "")
    refused = REFUSALS[refusal].control if refusal in REFUSALS else ""
    end = _end(passed, refusal, refused)
    return {name: _result(name in passed, name == refused, at < end) for at, name in enumerate(CONTROLS)}


def _end(passed: set[str], refusal: str, refused: str) -> int:
    """How many checks were reached."""
    last = max((at + 1 for at, name in enumerate(CONTROLS) if name in passed), default=0)
    if not refusal:
        return len(CONTROLS)
    # The vault may find at the very end that an earlier check fails after all: then all but the last were reached.
    at = CONTROLS.index(refused) if refused else last
    return at if at >= last else len(CONTROLS) - 1


def _result(passed: bool, refused: bool, reached: bool) -> Result:
    if refused:
        return "refused"
    return "passed" if passed else "not applied" if reached else "not reached"
