"""One step of an authorisation as a sheet: each field of its message, and what the step made of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import cardnet.traces.words as words
from cardnet.steps import Step
from cardnet.traces.iso8583 import name_of
from cardnet.traces.picture import Row, rows
from cardnet.traces.timing import Timing, timings
from cardnet.traces.trace import Change, Trace, TracedStep
from cardnet.traces.verdict import Verdict

MOST_LINES = 200
"""Fields that are shown of one message; none of cardnet's has so many."""


class Line(NamedTuple):
    """One field. number: "DE42", or empty. standard: what ISO 8583 calls it. before: empty unless the step changed it.

    meaning: what the value says in words, where it does not say so itself.
    """

    number: str
    standard: str
    name: str
    before: str
    value: str
    added: bool
    meaning: str
    decided: bool


@dataclass(frozen=True, slots=True)
class Sheet:
    """One step. note: why it was not taken or what went wrong, or empty.

    left_out: fields that are not shown, because there are too many. timing: as in the picture; None where it has none.
    """

    step: Step
    taken: bool
    decided: bool
    note: str
    lines: tuple[Line, ...]
    left_out: int
    timing: Timing | None


def sheets(trace: Trace, verdict: Verdict | None) -> list[Sheet]:
    """All nine, those too of steps that were not taken."""
    taken, times = {traced.number: traced for traced in trace.steps}, timings(trace)
    return [_sheet(trace, taken.get(row.step.number), row, verdict, times.get(row.step.number)) for row in rows(trace)]


def _sheet(trace: Trace, traced: TracedStep | None, row: Row, verdict: Verdict | None, timing: Timing | None) -> Sheet:
    decided = verdict is not None and verdict.step == row.step.number
    deciding = verdict.field if verdict and decided else ""
    lines = tuple(_lines(trace, traced, deciding)) if traced else ()
    left_out = max(0, len(lines) - MOST_LINES)
    return Sheet(row.step, traced is not None, decided, row.note, lines[:MOST_LINES], left_out, timing)


def _lines(trace: Trace, traced: TracedStep, deciding: str) -> Iterator[Line]:
    changes: Mapping[str, Change] = {change.name: change for change in trace.changes(traced.number)}
    for name, value in traced.fields.items():
        number, change = traced.iso8583.get(name, 0), changes.get(name)
        yield Line(
            number=f"DE{number}" if number else "",
            standard=name_of(number),
            name=name,
            before=change.before if change else "",
            value=value,
            added=bool(change and not change.before),
            meaning=_meaning(name, traced.fields),
            decided=bool(deciding) and name == deciding,
        )


def _meaning(name: str, fields: Mapping[str, str]) -> str:
    """What the value says in words; empty where words have nothing to add to it."""
    value = fields[name]
    match name:
        case "response_code":
            said = words.answer(value).removeprefix(f"{value} ")
        case "amount_minor":
            said = words.amount(fields)
        case _:
            return ""
    return "" if said in map(words.printable, (value, f"{value} {fields.get('currency', '')}")) else said
