"""Spans to a receiver: OTLP over gRPC."""

from typing import Any

import grpc
import grpc.aio

from cardnet.span import BRIEF, TEXT
from cardnet.wire import Link

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
TIMEOUT_S = 10.0
"""How long a receiver may take: what OpenTelemetry has for OTEL_EXPORTER_OTLP_TIMEOUT where nobody sets it."""


def receivers(endpoints: str) -> list["OtlpSink"]:
    """The receivers that a setting names, separated by commas: see OtlpSink."""
    return [OtlpSink(endpoint) for endpoint in map(str.strip, endpoints.split(",")) if endpoint]


class CollectorSink:
    """Sends spans to the network's own collector, as somebody. Raises a Fault when it does not take them."""

    form = BRIEF

    def __init__(self, link: Link) -> None:
        self._link = link

    def __str__(self) -> str:
        return "the collector"

    async def export(self, spans: bytes) -> None:
        await self._link.call(EXPORT, spans, {}, TIMEOUT_S)

    async def close(self) -> None:
        """Let go of the collector."""
        await self._link.close()


class OtlpSink:
    """Sends spans to any receiver of OpenTelemetry's. Raises grpc.aio.AioRpcError when it does not take them."""

    form = TEXT

    def __init__(self, endpoint: str) -> None:
        """endpoint: https://host:port, by the system's authorities; or http://host:port or host:port, in clear."""
        scheme, _, address = endpoint.rstrip("/").rpartition("://")
        self._address = address
        if scheme == "https":
            self._channel = grpc.aio.secure_channel(address, grpc.ssl_channel_credentials())
        else:
            self._channel = grpc.aio.insecure_channel(address)
        self._export: Any = self._channel.unary_unary(EXPORT)

    def __str__(self) -> str:
        return f"the receiver at {self._address.rpartition('@')[2]}"

    async def export(self, spans: bytes) -> None:
        await self._export(spans, timeout=TIMEOUT_S)

    async def close(self) -> None:
        """Let go of the receiver."""
        await self._channel.close()
