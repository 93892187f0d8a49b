"""A browser without scripts, at a console that is served for it alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from cardnet.console.served import ServedConsole
from cardnet.console.site import Console
from cardnet.testing.ports import Ports

PAGE = {"accept": "text/html"}


@asynccontextmanager
async def browser_at(console: Console) -> AsyncIterator[httpx.AsyncClient]:
    """The console ends with the visit, however that ends."""
    ports = Ports()
    served = ServedConsole(console, ports.take())
    await served.open()
    try:
        async with httpx.AsyncClient(base_url=served.origin, timeout=30, headers=PAGE) as browser:
            yield browser
    finally:
        await served.close()
        ports.release()
