"""Recording: each call leaves a span at both its ends, and the sender of a step writes the step's fields into its own.

On the way of a call, recording costs a tuple in a queue. Encoding and sending happen afterwards and in batches; when
the queue is full a span is dropped and counted: payments never wait for telemetry.
"""

import asyncio
import json
from collections import deque
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple, Protocol

from google.protobuf.message import Message
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span, Status, TracesData

from cardnet import __version__, messages
from cardnet.call import TraceContext
from cardnet.steps import step_of

QUEUE_LENGTH = 8192
"""Spans kept until they are sent; more are dropped and counted."""

BATCH_DELAY_S = 0.05
"""How long spans are gathered before they are sent."""

BUSY_SPANS, BUSY_DELAY_S = 8, 0.25
"""With so many gathered at once, the next ones are gathered longer: each sending is a gRPC call like any payment's."""


_JSON = json.JSONEncoder(ensure_ascii=False)


class Sink(Protocol):
    """Where spans go: `TracesData` of opentelemetry-proto."""

    async def export(self, spans: TracesData) -> None: ...


class Ended(NamedTuple):
    """A call that has ended, at one of its ends. Times are in nanoseconds since 1970."""

    method: str
    server: bool
    trace: TraceContext
    parent_span_id: str
    start_ns: int
    end_ns: int
    request: Message | None
    response: Message | None
    fault: str
    """The gRPC status code's name, or empty."""
    answers: int | None = None
    """How many answers there were, where they are a stream; they are counted and not recorded."""


class Recorder:
    """Takes the spans of one service and sends them to its sinks."""

    def __init__(self, service: str, sinks: Sequence[Sink]) -> None:
        self._service = service
        self._sinks = sinks
        self._queue: deque[Ended] = deque()
        self.dropped = 0

    def record(self, ended: Ended) -> None:
        """Take a call that has ended. Never waits."""
        if len(self._queue) >= QUEUE_LENGTH:
            self.dropped += 1
        elif self._sinks:
            self._queue.append(ended)

    async def run(self) -> None:
        """Send what gathers, until cancelled."""
        delay_s = BATCH_DELAY_S
        while True:
            await asyncio.sleep(delay_s)
            delay_s = BUSY_DELAY_S if len(self._queue) >= BUSY_SPANS else BATCH_DELAY_S
            await self.flush()

    async def flush(self) -> None:
        """Send what is there. A sink that does not take it costs these spans, and they are counted."""
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), 512))]
            spans = self._encode(batch)
            for sink in self._sinks:
                try:
                    await sink.export(spans)
                except Exception:  # noqa: BLE001 - telemetry never disturbs payments, whatever it dies of
                    self.dropped += len(batch)

    def _encode(self, batch: Sequence[Ended]) -> TracesData:
        resource = ResourceSpans()
        resource.resource.attributes.add(key="service.name").value.string_value = self._service
        resource.resource.attributes.add(key="service.version").value.string_value = __version__
        if self.dropped:
            resource.resource.attributes.add(key="cardnet.dropped_spans").value.int_value = self.dropped
        spans = resource.scope_spans.add().spans
        for ended in batch:
            self._describe(ended, spans.add())
        return TracesData(resource_spans=[resource])

    def _describe(self, ended: Ended, span: Span) -> None:
        span.CopyFrom(_template(ended.method, ended.server, ended.fault))
        span.trace_id = bytes.fromhex(ended.trace.trace_id)
        span.span_id = bytes.fromhex(ended.trace.span_id)
        span.parent_span_id = bytes.fromhex(ended.parent_span_id)
        span.start_time_unix_nano = ended.start_ns
        span.end_time_unix_nano = ended.end_ns
        if ended.answers is not None:
            _put(span, "cardnet.response.count", str(ended.answers))
        call = ended.method.rpartition("/")[2]
        for end, message in (("request", ended.request), ("response", ended.response)):
            step = step_of(call, end)
            # The cardholder is no service: the merchant records step 1 for them.
            if step and message is not None and step.sender in (self._service, "cardholder"):
                _put(span, f"cardnet.{end}.step", str(step.number))
                _put(span, f"cardnet.{end}.fields", _JSON.encode(messages.show(message)))


@cache
def _template(method: str, server: bool, fault: str) -> Span:
    """What the spans of a method's calls have in common at one end: copying it costs a third of building it."""
    service, call = method.strip("/").split("/")
    span = Span(name=f"{service}/{call}", kind=Span.SPAN_KIND_SERVER if server else Span.SPAN_KIND_CLIENT)
    _put(span, "rpc.system", "grpc")
    _put(span, "rpc.service", service)
    _put(span, "rpc.method", call)
    _put(span, "rpc.grpc.status_code", fault or "OK")
    if fault:
        span.status.code = Status.STATUS_CODE_ERROR
    return span


def _put(span: Span, key: str, value: str) -> None:
    span.attributes.add(key=key).value.string_value = value
