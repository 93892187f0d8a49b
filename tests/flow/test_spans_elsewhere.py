"""A second receiver, built from OpenTelemetry's own generated service, gets the spans that the collector keeps."""

from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest
import pytest_asyncio
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData
from patience import patient
from waiting import until

from cardnet import __version__
from cardnet.steps import SERVICES
from cardnet.testing import LocalNetwork
from cardnet.testing.payment import Payment

pytestmark = pytest.mark.asyncio(loop_scope="module")

Known = dict[bytes, tuple[dict[str, str], str, Span]]
"""Resource, scope and span, by the span's identifier."""


class Elsewhere(trace_service_pb2_grpc.TraceServiceServicer):
    """Somebody's receiver, such as Jaeger's or Tempo's."""

    def __init__(self) -> None:
        self.came = TracesData()

    async def Export(self, request: Any, _context: object) -> Any:
        self.came.resource_spans.extend(request.resource_spans)
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def elsewhere() -> AsyncIterator[Elsewhere]:
    server, elsewhere = grpc.aio.server(), Elsewhere()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(elsewhere, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        yield elsewhere
    await server.stop(None)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(elsewhere: Elsewhere) -> AsyncIterator[LocalNetwork]:
    async with LocalNetwork(settings=patient()) as network:
        yield network


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def payment(network: LocalNetwork) -> Payment:
    return await network.checkout(await network.save_card("approved"), "1.00 USD")


def by_span(data: TracesData, trace_id: str) -> Known:
    found: Known = {}
    for resource in data.resource_spans:
        told = {one.key: one.value.string_value for one in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                if span.trace_id.hex() == trace_id:
                    assert span.span_id not in found
                    found[span.span_id] = told, f"{scope.scope.name} {scope.scope.version}", span
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(network: LocalNetwork, elsewhere: Elsewhere, payment: Payment) -> tuple[Known, Known]:
    """The payment's spans here and there."""
    trace_id = payment.trace.trace_id
    here = by_span(network.collector.archive.spans(trace_id), trace_id)

    async def there() -> Known | None:
        known = by_span(elsewhere.came, trace_id)
        return known if known.keys() >= here.keys() else None

    return here, await until(there, "all spans of the payment have come")


async def test_span_by_span_it_is_the_same_in_both_places(both: tuple[Known, Known]) -> None:
    here, there = both
    assert len(here) == 11
    # Resource, scope, identifiers, parents, kinds, times, attributes, status: a span is equal when all of it is.
    assert here == there
    assert {resource["service.name"] for resource, _, _ in there.values()} == set(SERVICES)
    assert {scope for _, scope, _ in there.values()} == {f"cardnet {__version__}"}


async def test_the_spans_are_one_tree_of_calls_within_calls(both: tuple[Known, Known]) -> None:
    _, there = both
    (root,) = (span for _, _, span in there.values() if not span.parent_span_id)
    assert (root.name, root.kind) == ("cardnet.v1.Merchant/Checkout", Span.SPAN_KIND_SERVER)
    for _, _, span in there.values():
        assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano
        if span is not root:
            _, _, parent = there[span.parent_span_id]
            assert {span.kind, parent.kind} == {Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_SERVER}
            assert (span.name == parent.name) == (span.kind == Span.SPAN_KIND_SERVER)


async def test_each_span_has_what_opentelemetry_asks_of_an_rpcs_span(both: tuple[Known, Known]) -> None:
    _, there = both
    for _, _, span in there.values():
        told = {one.key: one.value.string_value for one in span.attributes}
        standard = {name: value for name, value in told.items() if not name.startswith("cardnet.")}
        client = {"server.address"} if span.kind == Span.SPAN_KIND_CLIENT else set()
        assert standard.keys() == {"rpc.system.name", "rpc.method", "rpc.response.status_code"} | client
        assert (told["rpc.system.name"], told["rpc.method"], told["rpc.response.status_code"]) == (
            "grpc",
            span.name,
            "OK",
        )
        assert told.get("server.address", "") in ("", *SERVICES)
        assert span.status.code == 0


async def test_over_there_nobody_learns_a_pan_or_a_token(network: LocalNetwork, elsewhere: Elsewhere) -> None:
    account = await network.open_account("100.00 USD")
    payment = await network.checkout(await network.save_card(account), "1.00 USD")
    trace_id = payment.trace.trace_id

    async def came() -> bool:
        return len(by_span(elsewhere.came, trace_id)) == 11

    await until(came, "all spans of the payment have come")
    text = str(elsewhere.came)
    assert account.pan[-4:] in text
    assert account.pan not in text and account.pan[:12] not in text
    assert "9999400000" not in text
