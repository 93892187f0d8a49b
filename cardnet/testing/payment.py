"""What a test asserts about a payment."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cardnet.response_code import ResponseCode
from cardnet.steps import STEPS, Step
from cardnet.testing import field_names
from cardnet.traces.picture import rows, who_saw_the_pan
from cardnet.traces.trace import Change, Trace, TracedStep
from cardnet.traces.verdict import Verdict, verdict_of


class TakenStep(Step):
    """A step that was taken: the row of the table of steps, with what its message carried and changed."""

    fields: Mapping[str, str]
    """By the protos' names, as text; secrets are masked."""
    changes: tuple[Change, ...]
    """What it put in place of what, and what it added, compared with the message that came to its sender."""

    @classmethod
    def of(cls, trace: Trace, traced: TracedStep) -> "TakenStep":
        """A step of a trace."""
        step = cls(*traced.step)
        step.fields = traced.fields
        step.changes = tuple(trace.changes(traced.number))
        return step

    def changed(self, field: str) -> bool:
        """Whether the step put something else into a field: "DE2", or the field's name. Adding one is no change.

        InvalidField where no step has such a field.
        """
        return any(change.before for change in self._changes_of(field))

    def change(self, field: str) -> Change:
        """What the step did to a field: before (empty where it added it) and after. KeyError where it did nothing.

        InvalidField where no step has such a field.
        """
        for change in self._changes_of(field):
            return change
        touched = ", ".join(dict.fromkeys(change.label for change in self.changes)) or "nothing"
        raise KeyError(f"step {self.number} did not change {field}; it changed or added: {touched}")

    def _changes_of(self, field: str) -> list[Change]:
        found = [change for change in self.changes if field in (change.label, change.name)]
        if not found and field not in self.fields:
            field_names.check(field)
        return found


class TakenSteps:
    """The steps that were taken, in order; each is found by its number. Equal to any sequence of the same steps."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._steps = tuple(TakenStep.of(trace, traced) for traced in trace.steps)

    def __getitem__(self, number: int) -> TakenStep:
        """Step 5 is `steps[5]`. KeyError says why it was not taken."""
        for step in self._steps:
            if step.number == number:
                return step
        if number not in range(1, len(STEPS) + 1):
            raise KeyError(f"there is no step {number}: the steps are 1 to {len(STEPS)}")
        raise KeyError(f"step {number} is not in the trace: {rows(self._trace)[number - 1].note}")

    def __iter__(self) -> Iterator[TakenStep]:
        return iter(self._steps)

    def __len__(self) -> int:
        return len(self._steps)

    def __contains__(self, step: object) -> bool:
        """Whether a step was taken: a row of the table of steps, or a number."""
        return step in self._steps or step in self._trace.numbers()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TakenSteps | tuple | list):
            return NotImplemented
        return self._steps == tuple(other)

    def __hash__(self) -> int:
        return hash(self._steps)

    def __repr__(self) -> str:
        return f"<steps {' '.join(map(str, self._trace.numbers()))}>"


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment that was answered, with its trace. elapsed_s: what the cardholder waited, in seconds."""

    response_code: ResponseCode
    notice: str
    auth_code: str
    rrn: str
    pan_last_four: str
    trace: Trace
    elapsed_s: float

    @property
    def approved(self) -> bool:
        """Whether the cardholder may have the goods."""
        return self.response_code.approved

    @property
    def steps(self) -> TakenSteps:
        """The steps that were taken: `steps[5]` is step 5."""
        return TakenSteps(self.trace)

    @property
    def saw_pan(self) -> tuple[str, ...]:
        """The services that sent or received a message with the PAN in it, in the order of the steps."""
        return tuple(who_saw_the_pan(self.trace)[0])

    @property
    def verdict(self) -> Verdict | None:
        """Who decided, in which step and on which field; None where the trace does not tell."""
        return verdict_of(self.trace)
