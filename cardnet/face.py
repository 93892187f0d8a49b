"""A service's face to browsers: plain HTTP at an address, which browsers trust at this machine alone.

What it shows is an ASGI application of the service's own; what every face refuses stands in cardnet/guard.py.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from cardnet.errors import Unavailable

MOST_AT_ONCE = 256
"""Connections to a face; whoever comes by one more is answered 503."""


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # the signals of this process are its own (cardnet/server.py)


class Face:
    """An application, served."""

    def __init__(self, app: ASGIApp, listen: str) -> None:
        """listen: host:port; port 0 for any."""
        host, _, port = listen.rpartition(":")
        self._address = host.strip("[]"), int(port)
        self._server = _Server(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=MOST_AT_ONCE,
                timeout_graceful_shutdown=2,
            )
        )
        self._serving: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Listen. OSError when the address cannot be had."""
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        listening = socket.create_server(self._address, family=family, reuse_port=True)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listening]))
        while not self._server.started:
            if self._serving.done():
                raise Unavailable("FACE_NOT_STARTED", "the web server ended before it served")
            await asyncio.sleep(0)

    async def close(self) -> None:
        """Let nobody in any more, and give what is under way a moment to finish."""
        self._server.should_exit = True
        if self._serving:
            await self._serving
