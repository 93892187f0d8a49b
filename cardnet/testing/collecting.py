"""The collector of a local network: where spans come in, where they are kept, where traces are asked for."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import grpc.aio

from cardnet.certificates import Identity
from cardnet.env import Env
from cardnet.testing.ports import Ports
from cardnet.traces import collector as collecting

if TYPE_CHECKING:
    from cardnet.face import Face

KEPT_IN = "traces.db"
"""The file of the traces, where there is a folder for data."""


class LocalCollector:
    """A collector that is served."""

    def __init__(self, ports: Ports, port: int, http_port: int | None) -> None:
        """port: of OTLP over gRPC and of traces; 0 for any. http_port: of OTLP over HTTP, too; None for nowhere."""
        self._ports, self._port, self._http_port = ports, port, http_port
        self._server: grpc.aio.Server | None = None
        self._face: Face | None = None
        self._running: asyncio.Task[None] | None = None
        self.collector = collecting.Collector()
        self.address = self.http_address = ""
        """host:port, once it is open."""

    async def open(self, env: Env, as_: Identity | str, trust_domain: str, data_dir: Path | None) -> None:
        """Serve it. data_dir: where traces are kept beyond the end, if anywhere. Unavailable if a port is taken."""
        archive = self.collector.archive
        if data_dir:
            await archive.keep_in(data_dir / KEPT_IN)
        self._running = asyncio.create_task(archive.run())
        self.address = self._ports.take(self._port, "choose another with --otlp-port")
        self._server, _ = await collecting.listen(self.collector, env, [self.address], as_, trust_domain)
        if self._http_port is not None:
            await self._open_http(self._http_port)

    async def close(self) -> None:
        """Take no more, and write what is still to be written."""
        if self._face:
            await self._face.close()
        if self._server:
            await self._server.stop(0)
        if self._running:
            self._running.cancel()
        await self.collector.archive.close()

    async def _open_http(self, port: int) -> None:
        from cardnet.face import Face  # whoever wants none does not wait for a web server
        from cardnet.traces.otlp_http import Receiver

        self.http_address = self._ports.take(port, "choose another with --otlp-http-port")
        self._face = Face(Receiver(self.collector).app(), self.http_address)
        await self._face.open()
