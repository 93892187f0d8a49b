"""Another site, on this machine: pages and answers of its own, to see what the three faces make of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from cardnet.face import Face
from cardnet.testing.ports import Ports


class Elsewhere:
    """Whoever is there. `manifest` is what it says of payments: the payment method manifest at its /pay."""

    def __init__(self, port: str) -> None:
        self.origin = f"http://localhost:{port}"
        self.manifest: dict[str, Any] = {}
        self.app = Starlette(
            routes=[
                Route("/", lambda _: HTMLResponse("<!doctype html><title>Elsewhere</title>")),
                Route("/pay", self._method),
                Route("/manifest.json", lambda _: JSONResponse(self.manifest)),
            ]
        )

    def _method(self, _: Request) -> Response:
        link = f'<{self.origin}/manifest.json>; rel="payment-method-manifest"'
        return Response(status_code=204, headers={"link": link})


@asynccontextmanager
async def elsewhere() -> AsyncIterator[Elsewhere]:
    """It, while the block lasts."""
    ports = Ports()
    address = ports.take()
    site = Elsewhere(address.rpartition(":")[2])
    face = Face(site.app, address)
    await face.open()
    try:
        yield site
    finally:
        await face.close()
        ports.release()
