"""Recording: each call leaves a span at both its ends, and the sender of a step writes the step's fields into its own.

On the way of a call, recording costs a tuple in a queue. Encoding and sending happen afterwards and in batches; when
the queue is full a span is dropped and counted: payments never wait for telemetry.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from json.encoder import encode_basestring
from struct import Struct
from typing import NamedTuple, Protocol

from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from cardnet import __version__, messages
from cardnet.call import TraceContext
from cardnet.outbox import Outbox, Sink
from cardnet.steps import step_of

QUEUE_LENGTH = 8192
"""Spans kept until they are sent; more are dropped and counted."""

BATCH_LENGTH = 512
"""Spans sent at once, at the most."""

BATCH_DELAY_S = 0.05
"""How long spans are gathered before they are sent."""

BUSY_SPANS, BUSY_DELAY_S = 8, 0.25
"""With so many gathered at once, the next ones are gathered longer: each sending is a gRPC call like any payment's."""

SERVED_BY = {
    "cardnet.v1.Merchant": "merchant",
    "cardnet.v1.Acquirer": "acquirer",
    "cardnet.v1.Network": "network",
    "cardnet.v1.TokenService": "tsp",
    "cardnet.v1.TokenLifecycle": "tsp",
    "cardnet.v1.TokenNotifications": "tsp",
    "cardnet.cde.v1.TokenVault": "tsp",
    "cardnet.cde.v1.TokenDisclosure": "tsp",
    "cardnet.cde.v1.TokenOperator": "tsp",
    "cardnet.cde.v1.PanLifecycle": "tsp",
    "cardnet.cde.v1.Issuer": "issuer",
    "cardnet.cde.v1.IssuerOperator": "issuer",
}
"""Whose each interface is, by the protos' names."""

SERVER_ERRORS = {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
"""The statuses that are an error of who answers, too; any other is its caller's alone (OpenTelemetry's rule)."""

Describe = Callable[["Ended"], str]

STANDARD: dict[str, Describe] = {
    "rpc.system.name": lambda _: "grpc",
    "rpc.method": lambda ended: ended.method.strip("/"),
    "rpc.response.status_code": lambda ended: ended.fault or "OK",
    "error.type": lambda ended: ended.fault if is_error(ended) else "",
    "server.address": lambda ended: "" if ended.server else SERVED_BY.get(ended.method.split("/")[1], ""),
}
"""OpenTelemetry's attributes of an RPC's span, by its conventions since they are a release candidate (after 1.37): the
method has its service before it and the status is a word. What is empty is left out. `server.address` is the name by
which the network knows a service, and not a machine's: that is what the convention asks of a client with a resolver.
"""


_TIMES = Struct("<BQBQ")


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
    disturbed: str = ""
    """What a fault switch did to it, in words; empty for nothing."""


class Records(Protocol):
    """Takes calls that have ended."""

    def record(self, ended: Ended) -> None:
        """Take one. Never waits."""
        ...


class Recorder:
    """Takes the spans of one service and sends them to its sinks."""

    def __init__(self, service: str, sinks: Sequence[Sink]) -> None:
        """sinks: the network's own collector first, for `dropped` is what the first did not get. None waits for
        another.
        """
        self._service = service
        self._outboxes = [Outbox(sink) for sink in sinks]
        self._queue: deque[Ended] = deque()
        self._overflowed = 0

    @property
    def dropped(self) -> int:
        """How many spans did not reach the first sink."""
        return self._overflowed + (self._outboxes[0].lost if self._outboxes else 0)

    def record(self, ended: Ended) -> None:
        """Take a call that has ended. Never waits."""
        if len(self._queue) >= QUEUE_LENGTH:
            self._overflowed += 1
        elif self._outboxes:
            self._queue.append(ended)

    async def run(self) -> None:
        """Send what gathers, until cancelled."""
        delay_s = BATCH_DELAY_S
        while True:
            await asyncio.sleep(delay_s)
            delay_s = BUSY_DELAY_S if len(self._queue) >= BUSY_SPANS else BATCH_DELAY_S
            await self._hand_over()

    async def flush(self) -> None:
        """Send what is there, and wait until it is there or lost."""
        await self._hand_over()
        await asyncio.gather(*(outbox.drained() for outbox in self._outboxes))

    async def _hand_over(self) -> None:
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH_LENGTH))]
            spans = self._encode(batch)
            for outbox in self._outboxes:
                outbox.put(spans, len(batch))
            await asyncio.sleep(0)  # writing many takes long, and payments run on this loop

    def _encode(self, batch: Sequence[Ended]) -> bytes:
        spans = b"".join([_sized(_SPANS, self._described(ended)) for ended in batch])
        resource = _resource(self._service, self.dropped)
        return _sized(_RESOURCE_SPANS, resource + _sized(_SCOPE_SPANS, _SCOPE + spans))

    def _described(self, ended: Ended) -> bytes:
        """A span. Written by hand where it is another each time: that costs a quarter of what a Span's fields cost."""
        trace = ended.trace
        return b"".join(
            (
                _TRACE_ID + bytes.fromhex(trace.trace_id),
                _SPAN_ID + bytes.fromhex(trace.span_id),
                _PARENT_ID + bytes.fromhex(ended.parent_span_id) if ended.parent_span_id else b"",
                _TIMES.pack(_START, ended.start_ns, _END, ended.end_ns),
                _template(ended.method, ended.server, ended.fault),
                b"" if ended.answers is None else _attribute(_COUNT, str(ended.answers)),
                _attribute(_DISTURBED, ended.disturbed) if ended.disturbed else b"",
                self._step(ended.method, "request", ended.request),
                self._step(ended.method, "response", ended.response),
            )
        )

    def _step(self, method: str, end: str, message: Message | None) -> bytes:
        senders, number, key = _step(method, end)
        if message is None or self._service not in senders:
            return b""
        return number + _attribute(key, _json(messages.show(message)))


# How protobuf writes these fields: number and wire type, and of identifiers their length, which is always the same.
_RESOURCE_SPANS, _SCOPE_SPANS, _SPANS, _ATTRIBUTES = b"\x0a", b"\x12", b"\x12", b"\x4a"
_TRACE_ID, _SPAN_ID, _PARENT_ID, _START, _END = b"\x0a\x10", b"\x12\x08", b"\x22\x08", 0x39, 0x41
_VALUE, _STRING = b"\x12", b"\x0a"
_COUNT, _DISTURBED = "cardnet.response.count", "cardnet.fault"


def is_error(ended: Ended) -> bool:
    """Whether the one who leaves the span counts how the call ended as an error."""
    return bool(ended.fault) and (not ended.server or ended.fault in SERVER_ERRORS)


@cache
def _template(method: str, server: bool, fault: str) -> bytes:
    """What the spans of a method's calls have in common at one end."""
    ended = Ended(method, server, TraceContext("", ""), "", 0, 0, None, None, fault)
    span = Span(name=method.strip("/"), kind=Span.SPAN_KIND_SERVER if server else Span.SPAN_KIND_CLIENT)
    for name, describe in STANDARD.items():
        if value := describe(ended):
            span.attributes.add(key=name).value.string_value = value
    if is_error(ended):
        span.status.code = Status.STATUS_CODE_ERROR
    return span.SerializeToString()


@cache
def _step(method: str, end: str) -> tuple[Sequence[str], bytes, str]:
    """Of the step that an end of a call is: who records it, its number as an attribute, the key of its fields."""
    step = step_of(method.rpartition("/")[2], end)
    if step is None:
        return (), b"", ""
    # The cardholder is no service: the merchant records step 1 for them.
    recorder = "merchant" if step.sender == "cardholder" else step.sender
    return (recorder,), _attribute(f"cardnet.{end}.step", str(step.number)), f"cardnet.{end}.fields"


@lru_cache(maxsize=16)
def _resource(service: str, dropped: int) -> bytes:
    """Who sends, and how many spans it had to drop."""
    frame = ResourceSpans()
    frame.resource.attributes.add(key="service.name").value.string_value = service
    frame.resource.attributes.add(key="service.version").value.string_value = __version__
    if dropped:
        frame.resource.attributes.add(key="cardnet.dropped_spans").value.int_value = dropped
    return frame.SerializeToString()


def _json(fields: Mapping[str, str]) -> str:
    """Text by names that need no escape, as JSON: half of what json.dumps costs."""
    return "{" + ", ".join([f'"{name}": {encode_basestring(value)}' for name, value in fields.items()]) + "}"


def _attribute(key: str, value: str) -> bytes:
    """An attribute of a span, as bytes."""
    text = _sized(_STRING, value.encode())
    return _sized(_ATTRIBUTES, _named(key) + _sized(_VALUE, text))


@cache
def _named(key: str) -> bytes:
    return KeyValue(key=key).SerializeToString()


def _sized(tag: bytes, data: bytes) -> bytes:
    """A field with a length."""
    size = len(data)
    if size < 0x80:
        return tag + bytes((size,)) + data
    if size < 0x4000:
        return tag + bytes((size & 0x7F | 0x80, size >> 7)) + data
    return tag + _varint(size) + data


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*written, number))


_SCOPE = ScopeSpans(scope=InstrumentationScope(name="cardnet", version=__version__)).SerializeToString()
