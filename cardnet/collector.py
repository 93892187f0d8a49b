"""The built-in collector: takes spans by OTLP, keeps the latest traces, answers who asks for one."""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import grpc
import grpc.aio
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError
from google.protobuf.symbol_database import Default as SymbolDatabase
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from cardnet.border import Border
from cardnet.call import Call
from cardnet.cde.v1 import issuer_pb2, token_vault_pb2  # noqa: F401 - see _iso8583
from cardnet.certificates import Identity
from cardnet.doors import WhoCalls, bound, methods_of, who_calls
from cardnet.env import Env
from cardnet.errors import Fault, InvalidField, NotFound
from cardnet.identity import TRUST_DOMAIN, Door, admit
from cardnet.messages import iso8583_fields
from cardnet.otlp import EXPORT, OtlpSink
from cardnet.status import status_of
from cardnet.steps import STEPS
from cardnet.trace import Recorder
from cardnet.traced import Trace, TracedStep
from cardnet.v1 import acquirer_pb2, merchant_pb2, network_pb2  # noqa: F401 - see _iso8583
from cardnet.v1.traces_pb2 import GetTraceRequest, GetTraceResponse, ListTracesRequest, ListTracesResponse
from cardnet.v1.traces_pb2_grpc import TracesServicer, add_TracesServicer_to_server

KEPT = 10_000
"""Traces kept; the oldest go first."""

ANSWER_MARGIN_S = 0.2
"""How long before the caller's deadline an incomplete trace is answered as it is."""

BEGINS_WITHIN_S = 1.0
"""How long the first span of a trace may take to come: it is sent a twentieth of a second after its call."""

MOST_ON_THE_WAY = 64
"""Exports that are being sent on at a time; what comes while a receiver is so far behind is not sent to it."""

MAX_EXPORT_BYTES = 4 * 1024 * 1024


class Collector:
    """The latest traces, each span of which is sent on to whoever else wants it."""

    def __init__(self, onward: Sequence[OtlpSink] = ()) -> None:
        """onward: other receivers. One that does not take spans is left behind; the traces here do not wait for it."""
        self._onward = onward
        self._sending: set[asyncio.Task[None]] = set()
        self._traces: OrderedDict[str, list[Span]] = OrderedDict()
        self._arrived = asyncio.Condition()
        self.evicted = 0
        self.dropped_by: dict[str, int] = {}

    async def export(self, data: TracesData) -> None:
        """Take spans. Those without a cardnet call are kept too: a caller's trace may pass through other systems.

        Anybody may send them, so nothing in them is believed to be as cardnet would write it.
        """
        for resource in data.resource_spans:
            self._count_dropped(resource.resource.attributes)
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self._keep(span)
        async with self._arrived:
            self._arrived.notify_all()
        if len(self._sending) < MOST_ON_THE_WAY:
            for sink in self._onward:
                sending = asyncio.create_task(_send(sink, data))
                self._sending.add(sending)
                sending.add_done_callback(self._sending.discard)

    async def close(self) -> None:
        """Send on what is on its way, and let go of the receivers."""
        await asyncio.gather(*self._sending)
        for sink in self._onward:
            await sink.close()

    async def find(self, beginning: str, within_s: float) -> Trace:
        """The trace whose identifier begins so: once it is complete, or as it stands when the time is over.

        NotFound when nothing of it has come within a second; InvalidField when the beginning means several.
        """
        await self._arrival(lambda: self._only(beginning) is not None, min(within_s, BEGINS_WITHIN_S))
        trace_id = self.find_now(beginning).trace_id
        await self._arrival(lambda: is_complete(self._traces.get(trace_id, [])), within_s)
        return self.find_now(trace_id)

    def find_now(self, beginning: str) -> Trace:
        """The trace as it stands."""
        trace_id = self._only(beginning)
        if trace_id is None:
            raise NotFound(
                "TRACE_UNKNOWN", "no such trace: it may be older than the last 10,000, or of another network"
            )
        return trace_of(trace_id, self._traces[trace_id])

    def latest(self, limit: int) -> list[str]:
        """The identifiers of the latest traces with an authorisation in them, newest first."""
        payments = (id_ for id_ in reversed(self._traces) if any(_call(s) == "Checkout" for s in self._traces[id_]))
        return [trace_id for trace_id, _ in zip(payments, range(limit), strict=False)]

    async def _arrival(self, awaited: Callable[[], bool], within_s: float) -> None:
        """Wait until what has arrived makes this true, or the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s), self._arrived:
                await self._arrived.wait_for(awaited)

    def _keep(self, span: Span) -> None:
        if len(span.trace_id) != 16:  # OTLP's own rule: such a span belongs to no trace
            return
        self._traces.setdefault(span.trace_id.hex(), []).append(span)
        while len(self._traces) > KEPT:
            self._traces.popitem(last=False)
            self.evicted += 1

    def _only(self, beginning: str) -> str | None:
        if beginning in self._traces:
            return beginning
        found = [trace_id for trace_id in self._traces if trace_id.startswith(beginning)]
        if len(found) > 1:
            raise InvalidField("trace_id", "must be long enough to mean one trace only")
        return found[0] if found else None

    def _count_dropped(self, attributes: Any) -> None:
        known = {attribute.key: attribute.value for attribute in attributes}
        if "cardnet.dropped_spans" in known:
            name = known["service.name"].string_value if "service.name" in known else ""
            self.dropped_by[name] = max(0, known["cardnet.dropped_spans"].int_value)


class TracesService(TracesServicer):
    """The collector's answers over gRPC."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    async def GetTrace(self, request: GetTraceRequest, call: Call) -> GetTraceResponse:
        """Wait for the trace to be complete, within the caller's patience."""
        if len(request.trace_id) < 4:
            raise InvalidField("trace_id", "must be at least 4 digits")
        trace = await self._collector.find(request.trace_id, call.remaining_s() - ANSWER_MARGIN_S)
        return GetTraceResponse(json=trace.to_json())

    async def ListTraces(self, request: ListTracesRequest, call: Call) -> ListTracesResponse:
        """Newest first."""
        lost = self._collector.evicted + sum(self._collector.dropped_by.values())
        return ListTracesResponse(trace_ids=self._collector.latest(request.limit or 20), dropped_spans=lost)


async def listen(
    collector: Collector, env: Env, addresses: Sequence[str], as_: Identity | str, trust_domain: str = TRUST_DOMAIN
) -> tuple[grpc.aio.Server, int]:
    """Serve OTLP and `cardnet.v1.Traces` at host:port or unix:/path; gives the server and its first port.

    as_: as whom; a mere name means plain text. OSError if an address cannot be had.
    """
    border = Border(env, Door.BUSINESS, Recorder("collector", ()))
    add_TracesServicer_to_server(TracesService(collector), border)
    who = who_calls(as_, trust_domain)
    server = grpc.aio.server(options=(("grpc.max_receive_message_length", MAX_EXPORT_BYTES),))
    server.add_generic_rpc_handlers((methods_of(border, who), _otlp(collector, who)))
    ports = [bound(server, address, as_) for address in addresses]
    await server.start()
    return server, ports[0]


def _otlp(collector: Collector, who: WhoCalls) -> Any:
    async def export(data: bytes, context: Any) -> bytes:
        try:
            admit(who(context), Door.BUSINESS, EXPORT)
            spans = TracesData.FromString(data)
        except Fault as fault:
            await context.abort(*status_of(fault)[:2])
        except DecodeError:  # left to itself, gRPC answers UNKNOWN and prints a stack trace
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the bytes are no ExportTraceServiceRequest")
        await collector.export(spans)
        return b""  # an ExportTraceServiceResponse in which everything was taken

    handler: Any = grpc.unary_unary_rpc_method_handler(export)
    service, method = EXPORT.strip("/").split("/")
    return grpc.method_handlers_generic_handler(service, {method: handler})


async def _send(sink: OtlpSink, data: TracesData) -> None:
    with suppress(Exception):  # telemetry disturbs nobody, whatever it dies of
        await sink.export(data)


def is_complete(spans: list[Span]) -> bool:
    """Whether the checkout has ended and each call that was answered has left its span at both ends.

    A service sends its spans in the order in which they ended, so a server's span brings those of its own calls.
    """
    return any(_call(span) == "Checkout" for span in spans) and not list(_unanswered(spans))


def trace_of(trace_id: str, spans: list[Span]) -> Trace:
    """The steps that the spans tell of, in order, and what is missing."""
    steps = sorted((step for span in spans for step in _steps(span)), key=lambda step: step.number)
    missing = [
        f"{_call(span)} was answered, but its service's record of it has not come" for span in _unanswered(spans)
    ]
    if not any(_call(span) == "Checkout" for span in spans):
        missing.append("the checkout has not ended, or the merchant's record of it has not come")
    return Trace(trace_id, _merged(steps), missing)


def _unanswered(spans: list[Span]) -> list[Span]:
    answered = {span.parent_span_id for span in spans if span.kind == Span.SPAN_KIND_SERVER}
    return [
        span
        for span in spans
        if span.kind == Span.SPAN_KIND_CLIENT and not span.status.code and span.span_id not in answered
    ]


def _call(span: Span) -> str:
    return span.name.rpartition("/")[2]


def _steps(span: Span) -> list[TracedStep]:
    known = {attribute.key: attribute.value.string_value for attribute in span.attributes}
    fault = "" if known.get("rpc.grpc.status_code", "OK") == "OK" else known["rpc.grpc.status_code"]
    return [
        TracedStep(
            number=_NUMBERS[known[f"cardnet.{end}.step"]],
            fields=_fields(known.get(f"cardnet.{end}.fields", "")),
            iso8583=_iso8583(span.name, end),
            start_ns=span.start_time_unix_nano,
            end_ns=span.end_time_unix_nano,
            fault=fault,
        )
        for end in ("request", "response")
        if known.get(f"cardnet.{end}.step") in _NUMBERS
    ]


_NUMBERS = {str(step.number): step.number for step in STEPS}


def _fields(text: str) -> dict[str, str]:
    """The fields that a span tells of; none if it does not tell them as cardnet does."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return {name: str(value) for name, value in fields.items()} if isinstance(fields, dict) else {}


def _merged(steps: list[TracedStep]) -> list[TracedStep]:
    """The two ends of a step that is both, as one."""
    merged: list[TracedStep] = []
    for step in steps:
        if merged and merged[-1].number == step.number:
            last = merged.pop()
            step = TracedStep(
                step.number,
                {**last.fields, **step.fields},
                {**last.iso8583, **step.iso8583},
                last.start_ns,
                step.end_ns,
            )
        merged.append(step)
    return merged


def _iso8583(name: str, end: str) -> dict[str, int]:
    # Only messages whose generated code was imported are found: hence the imports above.
    service, _, method = name.partition("/")
    try:
        found = SymbolDatabase().pool.FindMethodByName(f"{service}.{method}")
    except KeyError:
        return {}
    kind: Descriptor = found.input_type if end == "request" else found.output_type
    return iso8583_fields(kind)
