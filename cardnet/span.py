"""A call that has ended, as a span's bytes. The sender of a step writes the step's message into the span of its call.

Written by hand: that costs a quarter of what filling a Span and serialising it costs.
"""

from binascii import unhexlify
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from json.encoder import encode_basestring
from struct import Struct
from typing import Any, NamedTuple

from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from cardnet import __version__, messages
from cardnet.call import TraceContext
from cardnet.redaction import Redact, redacting
from cardnet.steps import step_of

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


Describe = Callable[[Ended], str]

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


def is_error(ended: Ended) -> bool:
    """Whether the one who leaves the span counts how the call ended as an error."""
    return bool(ended.fault) and (not ended.server or ended.fault in SERVER_ERRORS)


def as_text(fields: Mapping[str, str]) -> str:
    """Text by names that need no escape, as JSON: half of what json.dumps costs."""
    return "{" + ", ".join([f'"{name}": {encode_basestring(value)}' for name, value in fields.items()]) + "}"


# How protobuf writes these fields: number and wire type, and of identifiers their length, which is always the same.
_RESOURCE_SPANS, _SCOPE_SPANS, _SPANS, _ATTRIBUTES = b"\x0a", b"\x12", b"\x12", b"\x4a"
_TRACE_ID, _SPAN_ID, _PARENT_ID, _START, _END = "0a10", "1208", "2208", 0x39, 0x41
_VALUE, _STRING, _BYTES = b"\x12", b"\x0a", b"\x3a"
_times = Struct("<BQBQ").pack


class Form(NamedTuple):
    """How a step's message stands in the span: in which attribute, and as which of an attribute's kinds of value."""

    key: str
    kind: bytes
    writing: Callable[[Any], Redact]
    """Gives what writes messages of a type."""


def _as_fields(message: Message) -> bytes:
    return as_text(messages.show(message)).encode()


TEXT = Form("fields", _STRING, lambda _: _as_fields)
"""For everybody: the fields by name, as JSON."""

BRIEF = Form("message", _BYTES, redacting)
"""For cardnet's own collector, which makes text of it for whoever reads the trace. It costs less than half."""


class _Told(dict[int, bytes]):
    """How one end of a call that is a step of this service's is told: what writes its message, and what stands before.

    The latter goes by the message's length, of which few are in use.
    """

    def __init__(self, step: int, end: str, form: Form) -> None:
        super().__init__()
        self._form = form
        self._number = _attribute(f"cardnet.{end}.step", str(step))
        self._key = _named(f"cardnet.{end}.{form.key}")
        self.write: Redact = self._write_first

    def __missing__(self, size: int) -> bytes:
        # The message comes last in the attribute, and in its value.
        before = self._form.kind + _varint(size)
        before = self._key + _VALUE + _varint(len(before) + size) + before
        before = self._number + _ATTRIBUTES + _varint(len(before) + size) + before
        return self.setdefault(size, before)

    def _write_first(self, message: Message) -> bytes:
        self.write = self._form.writing(type(message))
        return self.write(message)


class _Way(NamedTuple):
    """What the spans of a method's calls have in common at one end, and which of the two messages they tell."""

    common: bytes
    request: _Told | None
    response: _Told | None


class Writer:
    """Writes one service's spans in one form."""

    def __init__(self, service: str, form: Form) -> None:
        self._service = service
        self._form = form
        self._ways: dict[tuple[str, bool, str], _Way] = {}

    def batch(self, ended: Sequence[Ended], dropped: int) -> bytes:
        """A TracesData's bytes. dropped: how many spans the service had to drop, ever."""
        parts = [_SCOPE]
        for one in ended:
            span = self._span(one)
            parts += (_HEADS[len(span)], span)
        spans = b"".join(parts)
        return _sized(_RESOURCE_SPANS, _resource(self._service, dropped) + _sized(_SCOPE_SPANS, spans))

    def _span(self, ended: Ended) -> bytes:
        # Taken apart at once: that costs half of asking for each member.
        method, server, trace, parent, start_ns, end_ns, request, response, fault, answers, disturbed = ended
        common, asked, answered = self._ways.get((method, server, fault)) or self._new_way(ended)
        trace_id, span_id = trace
        place = f"{_TRACE_ID}{trace_id}{_SPAN_ID}{span_id}{_PARENT_ID if parent else ''}{parent}"
        parts = [unhexlify(place), _times(_START, start_ns, _END, end_ns), common]
        if asked is not None and request is not None:
            message = asked.write(request)
            parts += (asked[len(message)], message)
        if answered is not None and response is not None:
            message = answered.write(response)
            parts += (answered[len(message)], message)
        if answers is not None:
            parts.append(_attribute("cardnet.response.count", str(answers)))
        if disturbed:
            parts.append(_attribute("cardnet.fault", disturbed))
        return b"".join(parts)

    def _new_way(self, ended: Ended) -> _Way:
        ends = [self._told(ended.method, end) for end in ("request", "response")]
        way = self._ways[ended.method, ended.server, ended.fault] = _Way(_common(ended), *ends)
        return way

    def _told(self, method: str, end: str) -> _Told | None:
        step = step_of(method.rpartition("/")[2], end)
        # The cardholder is no service: the merchant records step 1 for them.
        if step is None or self._service != ("merchant" if step.sender == "cardholder" else step.sender):
            return None
        return _Told(step.number, end, self._form)


def _common(ended: Ended) -> bytes:
    method = ended.method.strip("/")
    span = Span(name=method, kind=Span.SPAN_KIND_SERVER if ended.server else Span.SPAN_KIND_CLIENT)
    for name, describe in STANDARD.items():
        if value := describe(ended):
            span.attributes.add(key=name).value.string_value = value
    if is_error(ended):
        span.status.code = Status.STATUS_CODE_ERROR
    return span.SerializeToString()


@lru_cache(maxsize=16)
def _resource(service: str, dropped: int) -> bytes:
    """Who sends, and how many spans it had to drop."""
    frame = ResourceSpans()
    frame.resource.attributes.add(key="service.name").value.string_value = service
    frame.resource.attributes.add(key="service.version").value.string_value = __version__
    if dropped:
        frame.resource.attributes.add(key="cardnet.dropped_spans").value.int_value = dropped
    return frame.SerializeToString()


def _attribute(key: str, value: str) -> bytes:
    """An attribute of a span, as bytes."""
    return _sized(_ATTRIBUTES, _named(key) + _sized(_VALUE, _sized(_STRING, value.encode())))


@cache
def _named(key: str) -> bytes:
    return KeyValue(key=key).SerializeToString()


def _sized(tag: bytes, data: bytes) -> bytes:
    """A field with a length."""
    return tag + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    if number < 0x4000:
        return bytes((number & 0x7F | 0x80, number >> 7))
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*written, number))


class _Heads(dict[int, bytes]):
    """What stands before a span of so many bytes."""

    def __missing__(self, size: int) -> bytes:
        return self.setdefault(size, _SPANS + _varint(size))


_HEADS = _Heads()
_SCOPE = ScopeSpans(scope=InstrumentationScope(name="cardnet", version=__version__)).SerializeToString()
