"""Five processes, met from outside by the usual tools: health, reflection, trace context, OTLP."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import grpc.aio
import pytest
import pytest_asyncio
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from patience import AMPLE_S, patient

from cardnet.identity import MAY_CALL
from cardnet.steps import SERVICES, STEPS
from cardnet.testing import LocalNetwork
from cardnet.traces.collector import Collector
from cardnet.traces.trace import Trace

pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVED = {
    "merchant": {"cardnet.v1.Merchant"},
    "acquirer": {"cardnet.v1.Acquirer"},
    "network": {"cardnet.v1.Network"},
    "tsp": {
        "cardnet.v1.TokenService",
        "cardnet.v1.TokenLifecycle",
        "cardnet.v1.TokenNotifications",
        "cardnet.cde.v1.TokenVault",
        "cardnet.cde.v1.PanLifecycle",
    },
    "issuer": {"cardnet.cde.v1.Issuer"},
}
STANDARD = {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Receiver(trace_service_pb2_grpc.TraceServiceServicer):
    """An OTLP receiver such as a user has one, by the protocol's own generated code."""

    def __init__(self) -> None:
        self.traces = Collector()
        self.spans: list[tuple[str, Span]] = []

    async def Export(self, request: Any, _context: object) -> Any:
        for resource in request.resource_spans:
            names = {attribute.key: attribute.value.string_value for attribute in resource.resource.attributes}
            self.spans += [(names["service.name"], span) for scope in resource.scope_spans for span in scope.spans]
        await self.traces.export(request.SerializeToString())
        return trace_service_pb2.ExportTraceServiceResponse()

    async def complete(self, trace_id: str) -> Trace:
        """The trace, once all of it has come."""
        return await self.traces.archive.find(trace_id, within_s=AMPLE_S)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    server, receiver = grpc.aio.server(), Receiver()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(receiver, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        yield receiver
    await server.stop(None)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(receiver: Receiver) -> AsyncIterator[LocalNetwork]:
    async with LocalNetwork(settings=patient()) as network:
        yield network


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_says_that_it_is_well(network: LocalNetwork, service: str) -> None:
    async with network.grpc_channel(service) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for name in ("", *SERVED[service]):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=name), timeout=25)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await health.Check(health_pb2.HealthCheckRequest(service="no.such.Service"), timeout=25)
        assert unknown.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.fixture
def reflected(network: LocalNetwork, request: pytest.FixtureRequest) -> Iterator[ProtoReflectionDescriptorDatabase]:
    """What a service tells of itself to a tool that has none of its protos."""
    papers = network.presented("cardholder").papers
    credentials = grpc.ssl_channel_credentials(papers.authorities, papers.key, papers.certificate)
    options = (("grpc.ssl_target_name_override", request.param),)
    with grpc.secure_channel(network.addresses[request.param], credentials, options=options) as channel:
        yield ProtoReflectionDescriptorDatabase(channel)


@pytest.mark.parametrize(("reflected", "service"), [(name, name) for name in SERVICES], indirect=["reflected"])
async def test_a_service_describes_itself(reflected: ProtoReflectionDescriptorDatabase, service: str) -> None:
    assert set(await asyncio.to_thread(reflected.get_services)) == SERVED[service] | STANDARD

    pool = DescriptorPool(reflected)
    for name in SERVED[service]:
        described = await asyncio.to_thread(pool.FindServiceByName, name)
        methods = {f"/{name}/{method.name}" for method in described.methods}
        assert methods == {method for method in MAY_CALL if method.startswith(f"/{name}/")}


async def test_the_callers_trace_goes_on_through_all_services(network: LocalNetwork, receiver: Receiver) -> None:
    card = await network.save_card("approved")

    payment = await network.checkout(card, "1.00 USD", traceparent=f"00-{TRACE_ID}-{SPAN_ID}-01")

    assert payment.trace.trace_id == TRACE_ID
    assert payment.steps == STEPS
    await receiver.complete(TRACE_ID)
    spans = [(name, span) for name, span in receiver.spans if span.trace_id.hex() == TRACE_ID]
    assert {name for name, _ in spans} == set(SERVICES)
    # One tree: every span hangs on another, and the first of them on the caller's.
    known = {span.span_id for _, span in spans}
    assert len(known) == len(spans)
    roots = [(name, span) for name, span in spans if span.parent_span_id not in known]
    assert [(name, span.name, span.parent_span_id.hex()) for name, span in roots] == [
        ("merchant", "cardnet.v1.Merchant/Checkout", SPAN_ID)
    ]


@pytest.mark.parametrize(
    "traceparent",
    [
        f"00-{'0' * 32}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID.upper()}-{SPAN_ID}-01",
        f"ff-{TRACE_ID}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{SPAN_ID}-x",
        f"00-{TRACE_ID}",
        f"00-{TRACE_ID}-{SPAN_ID}-01-future",
        f"01-{TRACE_ID}-{SPAN_ID}-01future",
        "nonsense",
    ],
)
async def test_a_traceparent_that_is_none_begins_a_new_trace(network: LocalNetwork, traceparent: str) -> None:
    card = await network.save_card("approved")

    payment = await network.checkout(card, "1.00 USD", traceparent=traceparent)

    assert payment.approved
    assert payment.trace.trace_id not in (TRACE_ID, "0" * 32)
    assert payment.steps == STEPS


async def test_a_later_version_of_the_callers_trace_goes_on_as_this_one(network: LocalNetwork) -> None:
    card = await network.save_card("approved")
    later = f"{TRACE_ID[:-1]}d"

    payment = await network.checkout(card, "1.00 USD", traceparent=f"01-{later}-{SPAN_ID}-01-future")

    assert payment.trace.trace_id == later
    assert payment.steps == STEPS


async def test_a_receiver_outside_gets_the_same_spans(network: LocalNetwork, receiver: Receiver) -> None:
    card = await network.save_card("approved")

    payment = await network.checkout(card, "1.00 USD")

    assert await receiver.complete(payment.trace.trace_id) == payment.trace
    assert not payment.trace.missing
