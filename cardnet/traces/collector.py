"""The built-in collector: takes spans by OTLP, keeps the latest traces, answers who asks for one."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from cardnet.border import Border
from cardnet.call import Call
from cardnet.certificates import Identity
from cardnet.doors import WhoCalls, bound, methods_of, who_calls
from cardnet.env import Env
from cardnet.errors import Fault, InvalidField
from cardnet.identity import PROGRAMS, TRUST_DOMAIN, Door, admit
from cardnet.otlp import EXPORT, OtlpSink
from cardnet.outbox import Outbox
from cardnet.recorder import Recorder
from cardnet.span import BRIEF
from cardnet.status import status_of
from cardnet.traces.archive import Archive
from cardnet.traces.carried import beside, tell_strangers, told
from cardnet.traces.entry import Entry, Filter
from cardnet.traces.otlp_json import otlp_json
from cardnet.v1.traces_pb2 import (
    FollowTracesRequest,
    FollowTracesResponse,
    GetSpansResponse,
    GetTraceRequest,
    GetTraceResponse,
    ListTracesRequest,
    ListTracesResponse,
)
from cardnet.v1.traces_pb2_grpc import TracesServicer, add_TracesServicer_to_server

ANSWER_MARGIN_S = 0.2
"""How long before the caller's deadline an incomplete trace is answered as it is."""

MOST_BEHIND = 1_000
"""Authorisations that wait for a follower; what comes while it is so far behind is counted and not told."""

MAX_EXPORT_BYTES = 4 * 1024 * 1024

MOST_AT_ONCE = 8
"""Exports of strangers that each door takes in at a time; one more is asked to come again."""

TOO_MANY = "so many exports come at once that no more are taken on: send it again"

SERVER_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_EXPORT_BYTES),
    # Who follows asks every ten seconds whether we are there; gRPC's servers would hang up on such after a minute.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
)


class Collector:
    """Keeps each span in an archive, and sends it on to whoever else wants it."""

    form = BRIEF

    def __init__(self, onward: Sequence[OtlpSink] = (), archive: Archive | None = None) -> None:
        """onward: other receivers. One that does not take spans is left behind; the archive does not wait for it."""
        self._onward = onward
        self._outboxes = [Outbox(sink) for sink in onward]
        self.archive = archive or Archive()

    async def export(self, data: bytes, *, ours: bool = True) -> None:
        """Take spans, as a TracesData's bytes; DecodeError if they are none.

        ours: whether a service of the network sent them. What others send as a message is kept as text. Nothing in
        them is believed to be as cardnet would write it.
        """
        spans = TracesData.FromString(data)
        if not ours:
            await beside(data, tell_strangers, spans)
        try:
            await self.archive.take(spans, searched=not ours)
        finally:  # where the sender hangs up, too: what is in the archive by then is sent on, and no more
            if self._outboxes:
                await asyncio.shield(self._send_on(data, spans))

    async def _send_on(self, data: bytes, spans: TracesData) -> None:
        count, onward = _count(spans), await beside(data, told, spans)
        for outbox in self._outboxes:
            outbox.put(onward, count)

    async def close(self) -> None:
        """Send on what is on its way, and let go of the receivers."""
        await asyncio.gather(*(outbox.drained() for outbox in self._outboxes))
        for sink in self._onward:
            await sink.close()


class TracesService(TracesServicer):
    """The collector's answers over gRPC."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    async def GetTrace(self, request: GetTraceRequest, call: Call) -> GetTraceResponse:
        """Wait for the trace to be complete, within the caller's patience."""
        trace = await self._archive.find(_checked(request.trace_id), call.remaining_s() - ANSWER_MARGIN_S)
        return GetTraceResponse(json=trace.to_json())

    async def GetSpans(self, request: GetTraceRequest, call: Call) -> GetSpansResponse:
        """As GetTrace, but what was recorded and not what it means."""
        trace = await self._archive.find(_checked(request.trace_id), call.remaining_s() - ANSWER_MARGIN_S)
        return GetSpansResponse(otlp_json=otlp_json(self._archive.spans(trace.trace_id)))

    async def ListTraces(self, request: ListTracesRequest, call: Call) -> ListTracesResponse:
        """Newest first."""
        return ListTracesResponse(
            trace_ids=self._archive.latest(request.limit or 20), dropped_spans=self._archive.dropped
        )

    async def FollowTraces(self, request: FollowTracesRequest, call: Call) -> AsyncIterator[FollowTracesResponse]:
        """Each authorisation once its trace is complete, from now on."""
        wanted, left_out = Filter.parse(request.filter), 0
        waiting: asyncio.Queue[Entry] = asyncio.Queue(MOST_BEHIND)

        def told(entry: Entry) -> None:
            nonlocal left_out
            if wanted.matches(entry):
                try:
                    waiting.put_nowait(entry)
                except asyncio.QueueFull:
                    left_out += 1

        self._archive.on_entry.append(told)
        try:
            while True:
                entry = await waiting.get()
                yield FollowTracesResponse(json=json.dumps(entry.document(), ensure_ascii=False), left_out=left_out)
        finally:
            self._archive.on_entry.remove(told)


def _checked(beginning: str) -> str:
    if len(beginning) < 4:
        raise InvalidField("trace_id", "must be at least 4 digits")
    return beginning


async def listen(
    collector: Collector, env: Env, addresses: Sequence[str], as_: Identity | str, trust_domain: str = TRUST_DOMAIN
) -> tuple[grpc.aio.Server, int]:
    """Serve OTLP and `cardnet.v1.Traces` at host:port or unix:/path; gives the server and its first port.

    as_: as whom; a mere name means plain text. OSError if an address cannot be had.
    """
    border = Border(env, Door.BUSINESS, Recorder("collector", ()))
    add_TracesServicer_to_server(TracesService(collector.archive), border)
    who = who_calls(as_, trust_domain)
    server = grpc.aio.server(options=SERVER_OPTIONS)
    server.add_generic_rpc_handlers((methods_of(border, who), _otlp(collector, who)))
    ports = [bound(server, address, as_) for address in addresses]
    await server.start()
    return server, ports[0]


def _otlp(collector: Collector, who: WhoCalls) -> Any:
    slots = asyncio.Semaphore(MOST_AT_ONCE)  # not those of HTTP, where anybody may keep them by dawdling

    async def export(data: bytes, context: Any) -> bytes:
        try:
            sender = who(context)
            admit(sender, Door.BUSINESS, EXPORT)
            ours = sender in PROGRAMS
            if not ours and slots.locked():
                await context.abort(grpc.StatusCode.UNAVAILABLE, TOO_MANY)  # upon which OTLP's senders come again
            async with nullcontext() if ours else slots:
                await collector.export(data, ours=ours)
        except Fault as fault:
            await context.abort(*status_of(fault)[:2])
        except DecodeError:  # left to itself, gRPC answers UNKNOWN and prints a stack trace
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the bytes are no ExportTraceServiceRequest")
        return b""  # an ExportTraceServiceResponse in which everything was taken

    handler: Any = grpc.unary_unary_rpc_method_handler(export)
    service, method = EXPORT.strip("/").split("/")
    return grpc.method_handlers_generic_handler(service, {method: handler})


def _count(data: TracesData) -> int:
    return sum(len(scope.spans) for resource in data.resource_spans for scope in resource.scope_spans)
