"""An authorisation as it was recorded: its steps, with what each message carried and what changed on the way.

Everything here can be shown to anybody: secrets were masked before they left their service.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import cardnet.traces.switches as switches
from cardnet.steps import STEPS, Step


class Change(NamedTuple):
    """What a step made of a field. iso8583: the field's number, or 0. before: empty where the step added it."""

    name: str
    iso8583: int
    before: str
    after: str

    @property
    def label(self) -> str:
        """ "DE2" for a field of ISO 8583, else the field's own name."""
        return f"DE{self.iso8583}" if self.iso8583 else self.name


@dataclass(frozen=True, slots=True)
class TracedStep:
    """One step that was recorded.

    fields: what its message carried, by the protos' names, as text. iso8583: the field numbers of those that have one.
    start_ns, end_ns: nanoseconds since 1970 of the call that the step is an end of. fault: a gRPC status, or empty.
    disturbed: what a fault switch did to the call, in words, or empty. arrived: whether the message is known to have
    reached its receiver.
    """

    number: int
    fields: Mapping[str, str]
    iso8583: Mapping[str, int]
    start_ns: int
    end_ns: int
    fault: str = ""
    disturbed: str = ""
    arrived: bool = True

    @property
    def step(self) -> Step:
        """The row of the table of steps."""
        return STEPS[self.number - 1]

    @property
    def explained(self) -> bool:
        """Whether the call failed because of what a fault switch did to it."""
        return switches.explains(self.disturbed, self.fault, self._took_ms)

    @property
    def unsent(self) -> bool:
        """Whether a fault switch let the call fail before anybody was asked."""
        return switches.unsent(self.disturbed, self.fault, self._took_ms)

    @property
    def _took_ms(self) -> float:
        return (self.end_ns - self.start_ns) / 1e6

    def by_label(self) -> dict[str, tuple[str, str]]:
        """Name and value of each field, by "DE2" or the field's own name."""
        return {
            f"DE{self.iso8583[name]}" if name in self.iso8583 else name: (name, value)
            for name, value in self.fields.items()
        }


@dataclass(frozen=True, slots=True)
class Aside:
    """A call that was made for a checkout, is none of the nine steps, and failed or was disturbed.

    caller, service: who asked whom, such as "merchant" and "tsp". call: such as "RequestCryptogram". start_ns, end_ns,
    fault, disturbed: as of a step.
    """

    caller: str
    service: str
    call: str
    start_ns: int
    end_ns: int
    fault: str = ""
    disturbed: str = ""

    @property
    def explained(self) -> bool:
        """Whether it failed because of what a fault switch did to it."""
        return switches.explains(self.disturbed, self.fault, (self.end_ns - self.start_ns) / 1e6)


@dataclass(frozen=True, slots=True)
class Trace:
    """An authorisation's trace. missing: what is not there though it should be, a sentence for each.

    asides: in the order in which they began.
    """

    trace_id: str
    steps: Sequence[TracedStep]
    missing: Sequence[str] = field(default_factory=tuple)
    asides: Sequence[Aside] = field(default_factory=tuple)

    def numbers(self) -> list[int]:
        """The numbers of the steps that were taken, in order."""
        return [step.number for step in self.steps]

    def changes(self, number: int) -> list[Change]:
        """What a step changed or added, compared with the message that came to its sender."""
        at = self.numbers().index(number)
        # Step 4 asks beside the message's way: step 5 is compared with step 3.
        before = next((step for step in reversed(self.steps[:at]) if step.number != 4), None)
        return list(_changes(before, self.steps[at])) if before else []

    def to_json(self) -> str:
        """The document that `cardnet trace --json` prints; docs/tracing.md gives its shape."""
        steps, asides = [self._document(step) for step in self.steps], [asdict(aside) for aside in self.asides]
        document = {"trace_id": self.trace_id, "steps": steps, "asides": asides, "missing": list(self.missing)}
        return json.dumps(document, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Trace":
        """Read what `to_json` wrote."""
        document = json.loads(text)
        names = ("number", "fields", "iso8583", "start_ns", "end_ns", "fault", "disturbed", "arrived")
        steps = [TracedStep(**{name: step[name] for name in names if name in step}) for step in document["steps"]]
        asides = [Aside(**{name: one[name] for name in _OF_ASIDE if name in one}) for one in document.get("asides", ())]
        return cls(document["trace_id"], steps, document["missing"], asides)

    def _document(self, step: TracedStep) -> dict[str, Any]:
        row = step.step
        known = {"sender": row.sender, "receiver": row.receiver, "call": row.call, "end": row.end}
        changes = [change._asdict() for change in self.changes(step.number)]
        return asdict(step) | known | {"changes": changes}


_OF_ASIDE = ("caller", "service", "call", "start_ns", "end_ns", "fault", "disturbed")


def _changes(before: TracedStep, after: TracedStep) -> Iterator[Change]:
    known = before.by_label()
    for label, (name, value) in after.by_label().items():
        number = after.iso8583.get(name, 0)
        if label not in known:
            yield Change(name, number, "", value)
        elif known[label] != (name, value):
            yield Change(name, number, known[label][1], value)
