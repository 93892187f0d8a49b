"""OTLP over HTTP: spans of whoever has no certificate of the network, by POST to /v1/traces, as protobuf or as JSON.

In plain text, because that is what every OpenTelemetry SDK sends to port 4318 unless it is told otherwise, and because
nothing that comes is believed or secret: it is shown beside the payments and decides nothing. So it may stand at
loopback addresses or inside a network of containers, and no page of another site may write here: what a browser sends
on a page's behalf has an `Origin`, and that is refused, as is any name that may have been made to point here.
"""

import asyncio
import zlib
from ipaddress import ip_address
from itertools import islice

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import DecodeError, Message
from google.rpc.status_pb2 import Status
from grpc import StatusCode
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from cardnet.traces.collector import MAX_EXPORT_BYTES, MOST_AT_ONCE, TOO_MANY, Collector
from cardnet.traces.kept import belongs
from cardnet.traces.otlp_json import spans_of

PATH = "/v1/traces"
PROTOBUF, JSON = "application/x-protobuf", "application/json"

READ_WITHIN_S = 10.0
"""How long an export may take to come: a sender who dawdles keeps another one out."""

MOST_PARTS = 20_000
"""Resources, scopes and spans of one export, together. A sender's batch has some hundreds, a collector's thousands."""

MOST_MEMBERS = 100
"""How many parts of an export gzip may have packed, one after the other: each costs a copy of what is left."""

MOST_READ_AWAY_BYTES = MAX_EXPORT_BYTES
"""How much more than may be sent is read: a sender whose words are cut off does not listen to the answer."""

_CODES = {
    400: StatusCode.INVALID_ARGUMENT,
    403: StatusCode.PERMISSION_DENIED,
    404: StatusCode.NOT_FOUND,
    408: StatusCode.DEADLINE_EXCEEDED,
    503: StatusCode.UNAVAILABLE,
}


class Refused(Exception):
    """An export that is not taken: the HTTP status, and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Receiver:
    """Takes exports for a collector."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._reading = 0

    def app(self) -> Starlette:
        """The application that a Face serves."""
        return Starlette(
            routes=[Route(PATH, self.export, methods=["POST"])],
            exception_handlers={Refused: _refused, HTTPException: _not_here},
        )

    async def export(self, request: Request) -> Response:
        """Take one export. The answer is of the same kind as the question, as OTLP asks."""
        _check_sender(request)
        kind = _kind(request)
        if kind not in (PROTOBUF, JSON):
            raise Refused(415, f"the content type must be {PROTOBUF} or {JSON}")
        if self._reading >= MOST_AT_ONCE:
            raise Refused(503, TOO_MANY)
        self._reading += 1
        try:
            # In a thread: what somebody else sends must not keep payments waiting, which may run on this loop.
            data, said = await asyncio.to_thread(_read, kind, _packing(request), await _body(request))
            await self._collector.export(data, ours=False)
        finally:
            self._reading -= 1
        return _answer(kind, 200, said)


def _check_sender(request: Request) -> None:
    if "origin" in request.headers:
        raise Refused(403, "pages of browsers may not send spans here")
    if not _is_ours(request.headers.get("host", "")):
        raise Refused(403, "ask by an IP address, as localhost, or by a name without dots")


def _is_ours(host: str) -> bool:
    """Whether a page elsewhere cannot have a name of its own made to point here: names without dots are nobody's."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    try:
        return bool(ip_address(name.strip("[]")))
    except ValueError:
        return bool(name) and "." not in name


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _packing(request: Request) -> str:
    packing = request.headers.get("content-encoding", "identity").strip().lower()
    if packing not in ("identity", "gzip"):
        raise Refused(415, "the content encoding must be gzip, or none")
    return packing


async def _body(request: Request) -> bytes:
    taken, size = bytearray(), 0
    try:
        async with asyncio.timeout(READ_WITHIN_S):
            async for part in request.stream():
                size += len(part)
                if size <= MAX_EXPORT_BYTES:
                    taken += part
                elif size > MAX_EXPORT_BYTES + MOST_READ_AWAY_BYTES:
                    break
    except TimeoutError:
        raise Refused(408, f"an export must come within {READ_WITHIN_S:.0f} s") from None
    except ClientDisconnect:
        raise Refused(400, "whoever sent this has gone") from None
    if size > MAX_EXPORT_BYTES:
        raise _too_long()
    return bytes(taken)


def _read(kind: str, packing: str, body: bytes) -> tuple[bytes, ExportTraceServiceResponse]:
    """An export as the collector takes it, and what its sender is told."""
    if packing == "gzip":
        body = _unpacked(body)
    try:
        data = TracesData.FromString(body) if kind == PROTOBUF else spans_of(body)
    except (DecodeError, ValueError):
        raise Refused(400, "the body is no ExportTraceServiceRequest") from None
    _check_parts(data)
    return data.SerializeToString(), _told(data)


def _check_parts(data: TracesData) -> None:
    parts = len(data.resource_spans)
    for resource in islice(data.resource_spans, MOST_PARTS):
        parts += len(resource.scope_spans)
        parts += sum(len(scope.spans) for scope in islice(resource.scope_spans, MOST_PARTS))
        if parts > MOST_PARTS:
            break
    if parts > MOST_PARTS:
        raise Refused(400, f"an export may have {MOST_PARTS:,} resources, scopes and spans at the most, together")


def _unpacked(body: bytes) -> bytes:
    whole = b""
    for _ in range(MOST_MEMBERS):
        packed = zlib.decompressobj(wbits=31)  # gzip's own form
        try:
            whole += packed.decompress(body, MAX_EXPORT_BYTES + 1 - len(whole))
        except zlib.error:
            raise Refused(400, "the body is not packed by gzip") from None
        if len(whole) > MAX_EXPORT_BYTES:
            raise _too_long()
        if not packed.eof:
            raise Refused(400, "the body ends before what gzip packed does")
        body = packed.unused_data
        if not body:
            return whole
    raise Refused(400, f"gzip may have packed an export in {MOST_MEMBERS} parts at the most")


def _too_long() -> Refused:
    return Refused(413, f"an export may have {MAX_EXPORT_BYTES:,} bytes at the most, packed and unpacked")


def _told(data: TracesData) -> ExportTraceServiceResponse:
    """Which spans were not taken: those whose identifiers are not as OTLP has them belong to no trace."""
    wrong = sum(
        not belongs(span) for resource in data.resource_spans for scope in resource.scope_spans for span in scope.spans
    )
    told = ExportTraceServiceResponse()
    if wrong:
        told.partial_success.rejected_spans = wrong
        told.partial_success.error_message = "a trace's identifier has 16 bytes, a span's 8, and not all of them 0"
    return told


def _answer(kind: str, status: int, message: Message) -> Response:
    if kind == PROTOBUF:
        return Response(message.SerializeToString(), status, media_type=PROTOBUF)
    return Response(MessageToJson(message, indent=None), status, media_type=JSON)


async def _refused(request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, Refused) else 500
    code = _CODES.get(status, StatusCode.INVALID_ARGUMENT)
    answer = _answer(_kind(request), status, Status(code=code.value[0], message=str(error)))
    if status == 503:
        answer.headers["retry-after"] = "1"
    answer.headers["connection"] = "close"  # what is left of a body that was not read goes with it
    return answer


async def _not_here(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    refused = await _refused(request, Refused(status, f"spans are taken by POST to {PATH} alone"))
    if status == 405:
        refused.headers["allow"] = "POST"
    return refused
