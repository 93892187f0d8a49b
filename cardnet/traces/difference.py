"""Two authorisations side by side: where they differ first, and in what."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from cardnet.steps import STEPS, Step
from cardnet.traces.trace import Trace, TracedStep


class FieldPair(NamedTuple):
    """A field in both. a, b: its values, empty where it is not there."""

    name: str
    iso8583: int
    a: str
    b: str
    incidental: bool
    """Whether its value is another for every payment or card, as an identifier is: then that makes no difference."""

    @property
    def differs(self) -> bool:
        """Whether it makes a difference. That it is there at all makes one always."""
        return self.a != self.b if not self.incidental else bool(self.a) != bool(self.b)


@dataclass(frozen=True, slots=True)
class StepPair:
    """A step in both."""

    step: Step
    in_a: bool
    in_b: bool
    fields: tuple[FieldPair, ...]

    @property
    def differs(self) -> bool:
        """Whether it makes a difference."""
        return self.in_a != self.in_b or any(field.differs for field in self.fields)


@dataclass(frozen=True, slots=True)
class Difference:
    """Two traces, step by step."""

    steps: tuple[StepPair, ...]

    @property
    def first(self) -> int:
        """The number of the first step that differs; 0 where none does."""
        return next((pair.step.number for pair in self.steps if pair.differs), 0)

    def document(self) -> dict[str, Any]:
        """As JSON has it: the steps, and of their fields those that are not the same."""
        return {"first": self.first, "steps": [_document(pair) for pair in self.steps]}


def _document(pair: StepPair) -> dict[str, Any]:
    fields = [field._asdict() | {"differs": field.differs} for field in pair.fields if field.a != field.b]
    return {
        "number": pair.step.number,
        "in_a": pair.in_a,
        "in_b": pair.in_b,
        "differs": pair.differs,
        "fields": fields,
    }


def compare(a: Trace, b: Trace) -> Difference:
    """Put two traces side by side: all nine steps, those too that neither took."""
    ours = {step.number: step for step in a.steps}
    theirs = {step.number: step for step in b.steps}
    return Difference(tuple(_pair(step, ours.get(step.number), theirs.get(step.number)) for step in STEPS))


def _pair(step: Step, a: TracedStep | None, b: TracedStep | None) -> StepPair:
    names = dict.fromkeys((*_fields(a), *_fields(b)))
    numbers = {**(b.iso8583 if b else {}), **(a.iso8583 if a else {})}
    fields = [
        FieldPair(name, numbers.get(name, 0), _fields(a).get(name, ""), _fields(b).get(name, ""), name in _INCIDENTAL)
        for name in names
    ]
    if _fault(a) != _fault(b):
        fields.append(FieldPair(FAULT, 0, _fault(a), _fault(b), incidental=False))
    return StepPair(step, a is not None, b is not None, tuple(fields))


def _fields(step: TracedStep | None) -> Mapping[str, str]:
    return step.fields if step else {}


def _fault(step: TracedStep | None) -> str:
    return step.fault if step else ""


FAULT = "gRPC status"
"""The name under which the fault of a call stands beside the fields."""

_INCIDENTAL = frozenset(
    {
        *("idempotency_key", "payment_reference", "trace_id", "stan", "rrn", "transmission_time", "auth_code"),
        *("original_rrn", "payment_request_id"),
        *("card_on_file_id", "payment_token", "pan", "pan_last_four", "par"),
    }
)
"""What is another for every payment, and what names the card: two payments by two cards that go the same way are to
look the same. What a card is like (expiry, product, requestor) makes a difference. A cryptogram is masked, so that it
differs only by being there."""
