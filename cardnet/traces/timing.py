"""When the steps of an authorisation were taken, and how long their calls took."""

from typing import NamedTuple

from cardnet.steps import STEPS
from cardnet.traces.trace import Trace, TracedStep

LONGEST_MS = 3_600_000.0
"""What takes longer was not recorded by cardnet, and is not drawn."""


class Timing(NamedTuple):
    """Of one step, in milliseconds since the first step's call began."""

    at_ms: float
    """When the step was taken: a request with the beginning of its call, an answer with its end."""
    begin_ms: float
    end_ms: float

    @property
    def took_ms(self) -> float:
        """How long the call took that the step is an end of."""
        return self.end_ms - self.begin_ms


def timings(trace: Trace) -> dict[int, Timing]:
    """By the steps' numbers. Empty where the clock was frozen, and where the times cannot be right."""
    began_ns = min((step.start_ns for step in trace.steps), default=0)
    found = {step.number: _timing(step, began_ns) for step in trace.steps}
    ends = [timing.end_ms for timing in found.values()]
    if not any(ends) or max(ends) > LONGEST_MS or any(timing.took_ms < 0 for timing in found.values()):
        return {}
    return found


def bars(trace: Trace, width: int) -> dict[int, str]:
    """Where the steps' calls lie in the whole, in so many letters: requests as bars, answers as points."""
    found = timings(trace)
    whole_ms = max((timing.end_ms for timing in found.values()), default=0.0)
    return {number: _bar(timing, whole_ms, width, STEPS[number - 1].end) for number, timing in found.items()}


def _bar(timing: Timing, whole_ms: float, width: int, end: str) -> str:
    first = min(int(timing.begin_ms / whole_ms * width), width - 1)
    last = min(int(timing.end_ms / whole_ms * width), width - 1)
    drawn = " " * last + "•" if end == "response" else " " * first + "━" * (last - first + 1)
    return f"{drawn:<{width}}"


def spoken(ms: float) -> str:
    """A duration: "0.42 ms", "12.3 ms", "312 ms", "1.20 s", "12.3 s"; "0 ms" where the clock was frozen."""
    if ms <= 0:
        return "0 ms"
    if ms >= 999.5:
        return f"{ms / 1000:.2f} s" if ms < 9_995 else f"{ms / 1000:,.1f} s"
    return f"{ms:.2f} ms" if ms < 9.995 else f"{ms:.1f} ms" if ms < 99.95 else f"{ms:.0f} ms"


def _timing(step: TracedStep, began_ns: int) -> Timing:
    begin_ms, end_ms = (step.start_ns - began_ns) / 1e6, (step.end_ns - began_ns) / 1e6
    return Timing(end_ms if step.step.end == "response" else begin_ms, begin_ms, end_ms)
