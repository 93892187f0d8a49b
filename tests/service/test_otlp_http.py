"""OTLP over HTTP, as every OpenTelemetry SDK sends it; and what nobody may send."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from payment_spans import number, paid

from cardnet.face import Face
from cardnet.testing.ports import Ports
from cardnet.traces import otlp_http
from cardnet.traces.collector import MAX_EXPORT_BYTES, Collector
from cardnet.traces.otlp_json import otlp_json, spans_of

PROTOBUF, JSON = {"content-type": "application/x-protobuf"}, {"content-type": "application/json"}
GZIP = {"content-encoding": "gzip"}


class Served:
    """A collector that is served over HTTP, and somebody who sends to it."""

    def __init__(self, address: str, client: httpx.AsyncClient, collector: Collector) -> None:
        self.address, self.client, self.collector = address, client, collector

    async def post(self, body: bytes | str, *headers: dict[str, str], path: str = "/v1/traces") -> httpx.Response:
        together = {name: value for some in headers for name, value in some.items()}
        return await self.client.post(path, content=body, headers=together)


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Served]:
    ports, collector = Ports(), Collector()
    address = ports.take()
    face = Face(otlp_http.Receiver(collector).app(), address)
    await face.open()
    async with httpx.AsyncClient(base_url=f"http://{address}", timeout=30) as client:
        yield Served(address, client, collector)
    await face.close()
    ports.release()


@pytest.mark.parametrize("packed", [False, True], ids=["as it is", "gzip"])
@pytest.mark.parametrize("kind", ["protobuf", "json", "json with a charset"])
async def test_spans_come_in_and_are_there_as_they_were_sent(served: Served, kind: str, packed: bool) -> None:
    data = await paid(1)
    body = data.SerializeToString() if kind == "protobuf" else otlp_json(data).encode()
    type_ = {"protobuf": PROTOBUF, "json": JSON}.get(kind, {"content-type": "application/JSON; charset=utf-8"})
    answer = await served.post(gzip.compress(body) if packed else body, type_, GZIP if packed else {})

    assert (answer.status_code, answer.content) == (200, b"" if kind == "protobuf" else b"{}")
    assert answer.headers["content-type"] == ("application/x-protobuf" if kind == "protobuf" else "application/json")
    assert served.collector.archive.spans(number(1)) == data


async def test_json_as_opentelemetrys_own_example_has_it_is_understood(served: Served) -> None:
    span = {
        "traceId": "5B8EFFF798038103D269B633813FC60C",
        "spanId": "EEE19B7EC3C1B174",
        "parentSpanId": "EEE19B7EC3C1B173",
        "name": "I'm a server span",
        "startTimeUnixNano": "1544712660000000000",
        "endTimeUnixNano": "1544712661000000000",
        "kind": 2,
        "attributes": [{"key": "my.span.attr", "value": {"stringValue": "some value"}}],
        "links": [{"traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174"}],
        "aFieldOfTomorrow": 1,
    }
    document = {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"scope": {}, "spans": [span]}]}]}
    assert (await served.post(json.dumps(document), JSON)).status_code == 200
    (resource,) = served.collector.archive.spans("5b8efff7").resource_spans
    (kept,) = resource.scope_spans[0].spans
    assert (kept.span_id.hex(), kept.parent_span_id.hex(), kept.kind) == ("eee19b7ec3c1b174", "eee19b7ec3c1b173", 2)
    assert kept.start_time_unix_nano == 1544712660000000000
    assert kept.links[0].span_id == kept.span_id


async def test_spans_of_no_trace_are_said_to_be_rejected(served: Served) -> None:
    data = await paid(1)
    data.resource_spans[0].scope_spans[0].spans.add(trace_id=b"short")
    answer = await served.post(data.SerializeToString(), PROTOBUF)
    told = ExportTraceServiceResponse.FromString(answer.content)
    assert (answer.status_code, told.partial_success.rejected_spans) == (200, 1)


BAD_BODIES = [
    (PROTOBUF, b"\xff\xff"),
    (JSON, b"\xff\xff"),
    (JSON, b"{"),
    (JSON, b"[1]"),
    (JSON, b'{"resourceSpans": 7}'),
    (JSON, b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xyz"}]}]}]}'),
    (JSON, b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": 7}]}]}]}'),
    (JSON, b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"kind": {}}]}]}]}'),
    (JSON, b"[" * 100_000),
    (JSON | GZIP, b"{}"),
    (JSON | GZIP, gzip.compress(b"{}" * 100)[:-9]),
    (JSON | GZIP, gzip.compress(b"{}") + b"rubbish"),
    (JSON | GZIP, gzip.compress(b"") * (otlp_http.MOST_MEMBERS + 1)),
    (JSON, b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"kind": 1e400}]}]}]}'),
    (PROTOBUF, b"\x0a\x00" * (otlp_http.MOST_PARTS + 1)),
    (PROTOBUF, TracesData(resource_spans=[{"scope_spans": [{}] * (otlp_http.MOST_PARTS + 1)}]).SerializeToString()),
    (PROTOBUF, TracesData(resource_spans=[{"scope_spans": [{"spans": [{}] * 20_001}]}]).SerializeToString()),
]


@pytest.mark.parametrize(("headers", "body"), BAD_BODIES, ids=[str(row) for row in range(len(BAD_BODIES))])
async def test_a_body_that_is_no_export_is_answered_400_with_a_status(served: Served, headers, body: bytes) -> None:
    answer = await served.post(body, headers)
    assert answer.status_code == 400
    if headers is PROTOBUF:
        assert Status.FromString(answer.content).code == 3
    else:
        assert answer.json()["code"] == 3
    assert served.collector.archive.latest(10) == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({}, 415),
        (JSON | {"content-encoding": "br"}, 415),
        (JSON | {"origin": "https://evil.example"}, 403),
        (JSON | {"origin": "null"}, 403),
        (JSON | {"origin": "http://localhost:4318"}, 403),
        (JSON | {"host": "evil.example"}, 403),
        (JSON | {"host": "evil.example:4318"}, 403),
        (JSON | {"host": "127.0.0.1.evil.example:4318"}, 403),
    ],
    ids=repr,
)
async def test_nobody_but_a_sender_of_spans_may_write(served: Served, headers: dict[str, str], status: int) -> None:
    answer = await served.post(otlp_json(await paid(1)), headers)
    assert answer.status_code == status
    assert answer.json()["message"]
    assert served.collector.archive.latest(10) == []
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("host", ["localhost:4318", "LOCALHOST", "127.0.0.1", "[::1]:4318", "collector:4318", "::1"])
async def test_a_name_that_is_this_machines_or_a_containers_is_taken(served: Served, host: str) -> None:
    assert (await served.post(otlp_json(await paid(1)), JSON, {"host": host})).status_code == 200


async def test_a_browsers_question_whether_a_page_may_post_is_answered_no(served: Served) -> None:
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    answer = await served.client.options("/v1/traces", headers=asked)
    assert answer.status_code == 405 and "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("packed", [False, True], ids=["as it is", "gzip"])
async def test_a_body_that_is_too_long_is_refused_packed_or_not(served: Served, packed: bool) -> None:
    body = b" " * (MAX_EXPORT_BYTES + 1)
    answer = await served.post(gzip.compress(body) if packed else body, JSON, GZIP if packed else {})
    assert answer.status_code == 413


async def test_a_body_of_unsaid_length_is_cut_off_too(served: Served) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MAX_EXPORT_BYTES // 65_536 + 2):
            yield b" " * 65_536

    answer = await served.client.post("/v1/traces", content=endless(), headers=JSON)
    assert answer.status_code == 413


async def test_what_gzip_packed_in_several_parts_is_one_export(served: Served) -> None:
    parts = [gzip.compress((await paid(trace)).SerializeToString()) for trace in (1, 2)]
    assert (await served.post(b"".join(parts), PROTOBUF, GZIP)).status_code == 200
    assert served.collector.archive.latest(10) == [number(2), number(1)]


async def test_a_body_of_many_parts_is_no_longer_than_another(served: Served) -> None:
    part = gzip.compress(b" " * (MAX_EXPORT_BYTES // 2 + 1))
    assert (await served.post(part * 2, JSON, GZIP)).status_code == 413


async def test_what_is_downloaded_is_ascii_whatever_was_sent(served: Served) -> None:
    data = await paid(1)
    data.resource_spans[0].scope_spans[0].spans[0].name = "Kauf\u202e – 漢字"
    assert (await served.post(data.SerializeToString(), PROTOBUF)).status_code == 200
    text = otlp_json(served.collector.archive.spans(number(1)))
    assert text.isascii() and spans_of(text.encode()) == data


async def test_other_paths_and_methods_are_refused(served: Served) -> None:
    assert (await served.post(b"", PROTOBUF, path="/v1/metrics")).status_code == 404
    asked = await served.client.get("/v1/traces")
    assert (asked.status_code, asked.headers["allow"]) == (405, "POST")


async def test_a_sender_who_dawdles_is_told_so_and_keeps_nobody_out(served: Served, monkeypatch) -> None:
    monkeypatch.setattr(otlp_http, "READ_WITHIN_S", 0.1)
    host, _, port = served.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{"
    )
    assert (await reader.readline()).startswith(b"HTTP/1.1 408")
    writer.close()


async def test_an_export_counts_as_one_until_the_archive_has_it(served: Served, monkeypatch) -> None:
    monkeypatch.setattr(otlp_http, "MOST_AT_ONCE", 1)
    came, may_go_on = asyncio.Event(), asyncio.Event()

    async def take(data: TracesData, *, searched: bool) -> None:
        came.set()
        await may_go_on.wait()

    monkeypatch.setattr(served.collector.archive, "take", take)
    first = asyncio.create_task(served.post(TracesData().SerializeToString(), PROTOBUF))
    await came.wait()
    assert (await served.post(TracesData().SerializeToString(), PROTOBUF)).status_code == 503
    may_go_on.set()
    assert (await first).status_code == 200


async def test_of_too_many_at_once_one_is_asked_to_come_again(served: Served, monkeypatch) -> None:
    monkeypatch.setattr(otlp_http, "MOST_AT_ONCE", 0)
    answer = await served.post(TracesData().SerializeToString(), PROTOBUF)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
