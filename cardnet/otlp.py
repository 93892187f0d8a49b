"""Spans to a receiver: OTLP over gRPC."""

from typing import Any

import grpc.aio
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
TIMEOUT_S = 5.0


class OtlpSink:
    """Sends spans to one receiver. Raises grpc.aio.AioRpcError when it does not take them."""

    def __init__(self, endpoint: str) -> None:
        """endpoint: host:port, with or without http:// before it."""
        self._channel = grpc.aio.insecure_channel(endpoint.removeprefix("http://").rstrip("/"))
        # TracesData and ExportTraceServiceRequest are the same bytes: one field, number 1. This spares an import.
        self._export: Any = self._channel.unary_unary(EXPORT, request_serializer=TracesData.SerializeToString)

    async def export(self, spans: TracesData) -> None:
        await self._export(spans, timeout=TIMEOUT_S)

    async def close(self) -> None:
        """Let go of the receiver."""
        await self._channel.close()
