"""Spans to a receiver: OTLP over gRPC."""

from typing import Any

import grpc
import grpc.aio
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from cardnet.wire import Link

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
TIMEOUT_S = 5.0


class CollectorSink:
    """Sends spans to the network's own collector, as somebody. Raises a Fault when it does not take them."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def export(self, spans: TracesData) -> None:
        # TracesData and ExportTraceServiceRequest are the same bytes: one field, number 1. This spares an import.
        await self._link.call(EXPORT, spans.SerializeToString(), {}, TIMEOUT_S)

    async def close(self) -> None:
        """Let go of the collector."""
        await self._link.close()


class OtlpSink:
    """Sends spans to any receiver of OpenTelemetry's. Raises grpc.aio.AioRpcError when it does not take them."""

    def __init__(self, endpoint: str) -> None:
        """endpoint: https://host:port, by the system's authorities; or http://host:port or host:port, in clear."""
        scheme, _, address = endpoint.rstrip("/").rpartition("://")
        if scheme == "https":
            self._channel = grpc.aio.secure_channel(address, grpc.ssl_channel_credentials())
        else:
            self._channel = grpc.aio.insecure_channel(address)
        self._export: Any = self._channel.unary_unary(EXPORT, request_serializer=TracesData.SerializeToString)

    async def export(self, spans: TracesData) -> None:
        await self._export(spans, timeout=TIMEOUT_S)

    async def close(self) -> None:
        """Let go of the receiver."""
        await self._channel.close()
