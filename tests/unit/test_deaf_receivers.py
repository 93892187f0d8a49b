"""Which receivers of traces are said to take none."""

import asyncio

import grpc.aio
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from cardnet.cli.deaf import warn_of_deaf

NOBODY = "127.0.0.1:1"
"""An address at which nothing listens."""


class Taking(trace_service_pb2_grpc.TraceServiceServicer):
    """A receiver that takes everything."""

    async def Export(self, request: object, _context: object) -> trace_service_pb2.ExportTraceServiceResponse:
        return trace_service_pb2.ExportTraceServiceResponse()


async def asked_beside_one_that_takes(other: str) -> None:
    """Ask a receiver that takes spans and another one."""
    server = grpc.aio.server()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Taking(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await warn_of_deaf(f"http://127.0.0.1:{port},{other}")
    await server.stop(None)


@pytest.mark.parametrize(("other", "warnings"), [("", 0), (f"http://somebody:secret@{NOBODY}/", 1)])
def test_one_that_takes_spans_is_not_named(other: str, warnings: int, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(asked_beside_one_that_takes(other))
    said = capsys.readouterr().err
    assert said.count("warning: the receiver at ") == said.count(f"{NOBODY} takes no spans (") == warnings
    assert "secret" not in said
