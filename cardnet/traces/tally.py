"""How much each service has to do, how often it fails and how long it takes: counted from its own spans.

Anybody may send spans: only those of a network's own programs are counted, and nothing grows with what comes.
"""

from collections import deque
from dataclasses import dataclass

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from cardnet.identity import PROGRAMS
from cardnet.traces.timing import LONGEST_MS

LATEST = 1_000
"""The calls that error rate and percentiles are of."""

RATE_S = 10
"""The seconds that the rate is of."""

STREAMS = {
    "cardnet.v1.TokenNotifications/FollowTokens",
    "cardnet.cde.v1.TokenOperator/RotateKey",
    "cardnet.cde.v1.TokenOperator/BackUpVault",
}
"""Calls that last for as long as somebody listens, and end by hanging up: neither slow nor failed."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One service's figures."""

    calls: int = 0
    """Answered since the start."""
    rate: float = 0.0
    """Calls a second, over the last ten seconds."""
    errors: float = 0.0
    """The share of the latest 1,000 calls that ended in a fault: 0 to 1. A refusal is an answer and no fault."""
    p50_ms: float = 0.0
    """Half of the latest 1,000 calls took no longer."""
    p99_ms: float = 0.0
    """99 of a hundred took no longer."""
    ago_s: float | None = None
    """How long ago the last span came, in seconds; None where none has come."""


class Tally:
    """The figures of all programs."""

    def __init__(self) -> None:
        self._counts = {name: _Count() for name in PROGRAMS}

    def take(self, service: str, span: Span, now_s: float) -> None:
        """Count a span. now_s: the event loop's time."""
        count = self._counts.get(service)
        if count is not None and span.kind == Span.SPAN_KIND_SERVER and span.name not in STREAMS:
            took_ms = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6
            # A longer call than an hour is none of ours; a clock that was set back makes less than nothing.
            count.take(min(max(took_ms, 0.0), LONGEST_MS), span.status.code == Status.STATUS_CODE_ERROR, now_s)

    def figures(self, service: str, now_s: float) -> Figures:
        """One service's figures now. KeyError where it is none of a network's programs."""
        return self._counts[service].figures(now_s)


class _Count:
    def __init__(self) -> None:
        self._calls = 0
        self._last_s: float | None = None
        self._latest: deque[tuple[float, bool]] = deque(maxlen=LATEST)
        self._seconds: deque[list[int]] = deque(maxlen=RATE_S + 1)
        """Second and calls in it."""

    def take(self, took_ms: float, failed: bool, now_s: float) -> None:
        self._calls += 1
        self._last_s = now_s
        self._latest.append((took_ms, failed))
        second = int(now_s)
        if self._seconds and self._seconds[-1][0] == second:
            self._seconds[-1][1] += 1
        else:
            self._seconds.append([second, 1])

    def figures(self, now_s: float) -> Figures:
        if self._last_s is None:
            return Figures()
        took = sorted(ms for ms, _ in self._latest)
        return Figures(
            calls=self._calls,
            rate=sum(calls for second, calls in self._seconds if now_s - second <= RATE_S) / RATE_S,
            errors=sum(failed for _, failed in self._latest) / len(took),
            p50_ms=_percentile(took, 50),
            p99_ms=_percentile(took, 99),
            ago_s=max(0.0, now_s - self._last_s),
        )


def _percentile(ordered: list[float], percent: int) -> float:
    """The smallest that at least so many of a hundred do not exceed (the nearest rank)."""
    return ordered[-(-len(ordered) * percent // 100) - 1]
