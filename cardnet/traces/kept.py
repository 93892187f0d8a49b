"""One trace as the archive keeps it: its spans as bytes, which take a third of what they take once they are read."""

from collections.abc import Callable, Collection, Iterator
from functools import lru_cache
from math import inf
from typing import NamedTuple

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, TracesData

from cardnet.errors import InvalidField
from cardnet.traces.masking import mask, may_hold_card_number
from cardnet.traces.spans import asked_somebody, call_of, has_steps, is_ours, was_answered

MOST_SPANS = 1_000
"""Spans kept of one trace. A payment has a dozen; somebody else's trace may have more."""

MOST_TRACE_BYTES = 1024 * 1024
"""How much memory one trace may take: whoever looks at it reads all of it."""

OUR_SPANS, OUR_BYTES = 100, 128 * 1024
"""How much of that is for cardnet's own calls alone: others' thousand spans may come before a payment's dozen."""

TRACE_OVERHEAD_BYTES, SPAN_OVERHEAD_BYTES = 2_500, 150
"""What a trace and a span take besides their bytes, measured: the objects, the line of the list."""

ENDS_WITHIN_S = 1.0
"""How long who failed to answer is waited for: whoever lives sends its span half a second after its call at the latest,
and who was killed sends none."""

MOST_FRAME_BYTES, MOST_NAME = 4_096, 100
"""The longest frame that is kept, and the longest name of who sent it."""

OnSpan = Callable[[str, Span], None]
"""Is told of each span that comes, and of the service that sent it, by its own name."""


class Sender(NamedTuple):
    """Who sent a span. frame: its ResourceSpans as it came, without spans. service: the resource's own name for it."""

    frame: bytes
    service: str


def frame_of(resource: ResourceSpans, scope: ScopeSpans) -> bytes:
    """What a span came in: the resource and the scope, by which another receiver knows where it is from."""
    frame = ResourceSpans(resource=resource.resource, schema_url=resource.schema_url)
    frame.scope_spans.add(scope=scope.scope, schema_url=scope.schema_url)
    data = frame.SerializeToString()
    if len(data) > MOST_FRAME_BYTES:
        return b""  # else senders of long ones would fill the memory
    if may_hold_card_number(data):
        mask(frame)
        return frame.SerializeToString()
    return data


def spans_in(data: TracesData, hear: Callable[[ResourceSpans], None]) -> Iterator[tuple[Sender, Span] | None]:
    """The spans, each with who sent it; None for each resource and scope.

    hear: is told of each resource.
    """
    for resource in data.resource_spans:
        hear(resource)
        yield None
        for scope in resource.scope_spans:
            yield None
            if scope.spans:
                sender = sender_of(frame_of(resource, scope))
                yield from ((sender, span) for span in scope.spans)


def leave(data: TracesData, count: int) -> None:
    """Leave the first so many spans, in the order of `spans_in`."""
    for resource in data.resource_spans:
        for scope in resource.scope_spans:
            del scope.spans[count:]
            count -= len(scope.spans)


def belongs(span: Span) -> bool:
    """Whether a span's identifiers are as OTLP has them: else it belongs to no trace."""
    return (
        len(span.trace_id) == 16
        and any(span.trace_id)
        and len(span.span_id) == 8
        and any(span.span_id)
        and len(span.parent_span_id) <= 8
    )


def the_one(beginning: str, trace_ids: Collection[str]) -> str | None:
    """The identifier that begins so; None where none does. InvalidField where several do."""
    if beginning in trace_ids:
        return beginning
    found = [trace_id for trace_id in trace_ids if trace_id.startswith(beginning)]
    if len(found) > 1:
        raise InvalidField("trace_id", "must be long enough to mean one trace only")
    return found[0] if found else None


@lru_cache(maxsize=256)
def sender_of(frame: bytes) -> Sender:
    """Who sent a span in such a frame. The same one for the same frame, so that a thousand spans share it."""
    for attribute in ResourceSpans.FromString(frame).resource.attributes:
        if attribute.key == "service.name":
            return Sender(frame, attribute.value.string_value[:MOST_NAME])
    return Sender(frame, "")


class Kept:
    """The spans of one trace, with who sent each of them."""

    __slots__ = ("spans", "checked_out", "has_steps", "came_at", "settled_at", "size", "_asked", "_failed", "_served")

    def __init__(self) -> None:
        self.spans: list[tuple[Sender, bytes]] = []
        self.checked_out = False
        self.has_steps = False
        self.came_at = -inf
        """When the latest of it came, by the event loop's time; long ago where that was before a restart."""
        self.settled_at: float | None = None
        """When it was last read for the list, by the event loop's time; None for not yet."""
        self.size = TRACE_OVERHEAD_BYTES
        """About how many bytes of memory it takes."""
        self._asked: set[bytes] = set()
        self._failed: set[bytes] = set()
        self._served: set[bytes] = set()

    @property
    def complete(self) -> bool:
        """Whether the checkout has ended and each call has left its span at both ends, also one that failed.

        A service sends its spans in the order in which they ended, so a server's span brings those of its own calls.
        """
        return self.checked_out and self._asked <= self._served

    @property
    def of_payment(self) -> bool:
        """Whether it tells of a payment, or of one of its nine steps."""
        return self.checked_out or self.has_steps

    @property
    def awaited_until(self) -> float:
        """Until when the rest of it is waited for, by the event loop's time: the past where it is complete.

        For ever, unless all that is missing is of services that failed to answer: they may be dead.
        """
        if self.complete:
            return -inf
        return self.came_at + ENDS_WITHIN_S if self.checked_out and self._asked - self._failed <= self._served else inf

    def take(self, sender: Sender, data: bytes, span: Span) -> int:
        """Keep a span; gives how many bytes it takes, 0 where there are too many already. data: the span as bytes."""
        size = len(data) + SPAN_OVERHEAD_BYTES
        if not self.spans or self.spans[-1][0] is not sender:
            size += len(sender.frame)
        free_spans, free_bytes = (0, 0) if is_ours(span) else (OUR_SPANS, OUR_BYTES)
        if len(self.spans) >= MOST_SPANS - free_spans or self.size + size > MOST_TRACE_BYTES - free_bytes:
            return 0
        self.spans.append((sender, data))
        self.size += size
        self._note(span)
        return size

    def read(self) -> list[Span]:
        """Its spans, in the order in which they came."""
        return [Span.FromString(data) for _, data in self.spans]

    def traces_data(self) -> TracesData:
        """Its spans as they are kept, those of one sender together."""
        data = TracesData()
        by_frame: dict[bytes, ResourceSpans] = {}
        for sender, span in self.spans:
            if sender.frame not in by_frame:
                by_frame[sender.frame] = data.resource_spans.add()
                by_frame[sender.frame].ParseFromString(sender.frame)
            resource = by_frame[sender.frame]
            scope = resource.scope_spans[0] if resource.scope_spans else resource.scope_spans.add()
            scope.spans.add().ParseFromString(span)
        return data

    def _note(self, span: Span) -> None:
        if span.kind == Span.SPAN_KIND_CLIENT:
            if asked_somebody(span):
                self._asked.add(span.span_id)
                if not was_answered(span):
                    self._failed.add(span.span_id)
        else:
            self.checked_out = self.checked_out or call_of(span) == "Checkout"
            self._served.add(span.parent_span_id)
        self.has_steps = self.has_steps or has_steps(span)
