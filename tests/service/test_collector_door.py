"""What comes in at the collector's door, where anybody may send spans and not only services of ours."""

import asyncio

import grpc
import pytest
import pytest_asyncio
from attack import over_the_wire
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, TracesData
from patience import ample, patient

from cardnet.otlp import EXPORT
from cardnet.testing import LocalNetwork
from cardnet.traces.collector import MOST_AT_ONCE
from cardnet.v1.traces_pb2 import ListTracesRequest

pytestmark = pytest.mark.asyncio(loop_scope="module")

GET_TRACE, LIST_TRACES = "/cardnet.v1.Traces/GetTrace", "/cardnet.v1.Traces/ListTraces"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network():
    async with LocalNetwork(in_process=True, settings=patient()) as network:
        yield network


async def export(network: LocalNetwork, data: bytes, sender: str = "cardholder") -> str:
    async with network.grpc_channel("collector", sender) as channel:
        try:
            await channel.unary_unary(EXPORT)(data, timeout=25)
        except grpc.aio.AioRpcError as error:
            return error.code().name
    return "OK"


async def test_bytes_that_are_no_spans_are_refused(network, caplog):
    assert await export(network, b"\xff\xff") == "INVALID_ARGUMENT"
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    "attributes",
    [
        {"cardnet.request.step": "99", "cardnet.request.fields": "{}"},
        {"cardnet.request.step": "0", "cardnet.request.fields": "{}"},
        {"cardnet.request.step": "1" * 5000, "cardnet.request.fields": "{}"},
        {"cardnet.request.step": "one", "cardnet.request.fields": "{}"},
        {"cardnet.request.step": "1"},
        {"cardnet.request.step": "1", "cardnet.request.fields": "{"},
        {"cardnet.request.step": "1", "cardnet.request.fields": "[1]"},
        {"cardnet.request.step": "1", "cardnet.request.fields": "[" * 100_000},
        {"cardnet.request.step": "2", "cardnet.request.fields": '{"amount_minor": {}}'},
        {"cardnet.dropped_spans": "-1"},
    ],
    ids=repr,
)
async def test_spans_that_no_service_of_ours_wrote_break_no_answer(network, attributes):
    for trace_id in (bytes(range(16)), b"", b"x" * 100):
        span = Span(trace_id=trace_id, span_id=b"12345678", name="cardnet.v1.Merchant/Checkout")
        spans = ResourceSpans(scope_spans=[ScopeSpans(spans=[span])])
        for name, value in attributes.items():
            span.attributes.add(key=name).value.string_value = value
            spans.resource.attributes.add(key=name).value.string_value = value
        assert await export(network, TracesData(resource_spans=[spans]).SerializeToString()) == "OK"
    found = await over_the_wire(network, GET_TRACE, b"\x0a\x0800010203", timeout_s=25)
    assert found.code == "OK"
    listed = await over_the_wire(network, LIST_TRACES, ListTracesRequest().SerializeToString())
    assert bytes(range(16)).hex() in listed.shown
    assert b"x".hex() * 100 not in listed.shown


@pytest.mark.parametrize(("sender", "kept"), [("cardholder", False), ("network", True)])
async def test_messages_are_kept_as_they_are_if_a_service_sent_them_and_as_text_else(network, sender, kept):
    trace_id = bytes([len(sender)]) * 16
    span = Span(trace_id=trace_id, span_id=b"12345678", name="cardnet.v1.Merchant/Checkout")
    span.attributes.add(key="cardnet.request.message").value.bytes_value = b"\x0a\x04key1"
    data = TracesData(resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=[span])])])
    async with network.grpc_channel("collector", sender) as channel:
        await channel.unary_unary(EXPORT)(data.SerializeToString(), timeout=25)
    archive = network.collector.archive
    [stored] = archive._traces[trace_id.hex()].read()
    assert stored.attributes[0].key == f"cardnet.request.{'message' if kept else 'fields'}"
    [told] = archive.spans(trace_id.hex()).resource_spans[0].scope_spans[0].spans
    assert told.attributes[0].value.string_value == '{"idempotency_key": "key1"}'


async def test_of_strangers_exports_some_are_taken_in_at_once_and_of_services_all(network, monkeypatch):
    taken, may_go_on = asyncio.Queue(), asyncio.Event()

    async def take(data: TracesData, *, searched: bool) -> None:
        taken.put_nowait(searched)
        await may_go_on.wait()

    monkeypatch.setattr(network.collector.archive, "take", take)
    exports = [asyncio.create_task(export(network, b"")) for _ in range(MOST_AT_ONCE)]
    async with ample():
        assert [await taken.get() for _ in exports] == [True] * MOST_AT_ONCE
        assert await export(network, b"") == "UNAVAILABLE"
        exports.append(asyncio.create_task(export(network, b"", "network")))
        assert await taken.get() is False
    may_go_on.set()
    assert await asyncio.gather(*exports) == ["OK"] * len(exports)
    assert await export(network, b"") == "OK", "there is room again"
