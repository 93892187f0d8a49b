"""How much each service has to do, how often it fails and how long it takes: counted from its own spans.

One that is paused or killed leaves none, and would look as if nothing had failed. So its callers' spans count, too,
where they tell that it did not answer. Both ends of a call are one call, whichever span comes first.

Anybody may send spans: only those of a network's own programs are counted, and nothing grows with what comes.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from cardnet.identity import MAY_CALL, PROGRAMS
from cardnet.traces.spans import fault_of, server_of
from cardnet.traces.switches import explains
from cardnet.traces.timing import LONGEST_MS

LATEST = 1_000
"""The calls that error rate and percentiles are of."""

RATE_S = 10
"""The seconds that the rate is of."""

UNANSWERED = {"UNAVAILABLE", "DEADLINE_EXCEEDED"}
"""The statuses that callers give themselves where nobody answers."""

REMEMBERED = 10_000
"""Calls of which the other end's span may be still to come: seconds of them, at hundreds of payments a second."""

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
    """Since the start."""
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
        self._known: OrderedDict[bytes, _Call] = OrderedDict()
        """The latest calls, by the identifiers of their callers' spans: the span of the other end may be to come."""

    def take(self, service: str, span: Span, now_s: float) -> None:
        """Count a span. now_s: the event loop's time."""
        if service not in self._counts or span.name in STREAMS:
            return
        if span.kind == Span.SPAN_KIND_SERVER:
            self._served(service, span, now_s)
        elif span.kind == Span.SPAN_KIND_CLIENT and _is_unanswered(service, span):
            self._unanswered(span, now_s)

    def _served(self, service: str, span: Span, now_s: float) -> None:
        asked = span.trace_id + span.parent_span_id if span.parent_span_id else b""
        known = self._known.get(asked)
        if known and not known.served:  # else it was delivered twice, and is the service's second call
            # It has failed even where the service says otherwise: it answered when nobody waited any more.
            known.took_ms, known.served = _took_ms(span), True
        else:
            failed = span.status.code == Status.STATUS_CODE_ERROR
            self._count(service, asked, _Call(_took_ms(span), failed, served=True), now_s)

    def _unanswered(self, span: Span, now_s: float) -> None:
        asked = span.trace_id + span.span_id
        if known := self._known.get(asked):
            known.failed = True
        else:
            self._count(server_of(span), asked, _Call(_took_ms(span), failed=True, served=False), now_s)

    def _count(self, service: str, asked: bytes, call: "_Call", now_s: float) -> None:
        self._counts[service].take(call, now_s)
        if asked:
            self._known[asked] = call
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)

    def figures(self, service: str, now_s: float) -> Figures:
        """One service's figures now. KeyError where it is none of a network's programs."""
        return self._counts[service].figures(now_s)


def _took_ms(span: Span) -> float:
    took_ms = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6
    # A longer call than an hour is none of ours; a clock that was set back makes less than nothing.
    return min(max(took_ms, 0.0), LONGEST_MS)


def _is_unanswered(caller: str, span: Span) -> bool:
    """Whether a caller's span tells of a call that nobody answered, and no fault switch is why."""
    if span.status.code != Status.STATUS_CODE_ERROR or caller not in MAY_CALL.get(f"/{span.name}", ()):
        return False
    fault = fault_of(span)
    switch = next((one.value.string_value for one in span.attributes if one.key == "cardnet.fault"), "")
    return fault in UNANSWERED and not explains(switch, fault, _took_ms(span))


@dataclass(slots=True)
class _Call:
    took_ms: float
    failed: bool
    served: bool
    """Whether the service has left a span of it; else it is known by its caller's alone."""


class _Count:
    def __init__(self) -> None:
        self._calls = 0
        self._last_s: float | None = None
        self._latest: deque[_Call] = deque(maxlen=LATEST)
        self._seconds: deque[list[int]] = deque(maxlen=RATE_S + 1)
        """Second and calls in it."""

    def take(self, call: _Call, now_s: float) -> None:
        self._calls += 1
        self._last_s = now_s
        self._latest.append(call)
        second = int(now_s)
        if self._seconds and self._seconds[-1][0] == second:
            self._seconds[-1][1] += 1
        else:
            self._seconds.append([second, 1])

    def figures(self, now_s: float) -> Figures:
        if self._last_s is None:
            return Figures()
        took = sorted(call.took_ms for call in self._latest)
        return Figures(
            calls=self._calls,
            rate=sum(calls for second, calls in self._seconds if now_s - second <= RATE_S) / RATE_S,
            errors=sum(call.failed for call in self._latest) / len(took),
            p50_ms=_percentile(took, 50),
            p99_ms=_percentile(took, 99),
            ago_s=max(0.0, now_s - self._last_s),
        )


def _percentile(ordered: list[float], percent: int) -> float:
    """The smallest that at least so many of a hundred do not exceed (the nearest rank)."""
    return ordered[-(-len(ordered) * percent // 100) - 1]
