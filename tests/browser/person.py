"""A person at a browser: in a real Chromium a profile of their own, and all that it says to the shop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Self

from chromium import WAIT_MS, Chromium
from playwright.async_api import Browser, BrowserContext, Page, Request
from waiting import until

from cardnet.testing import LocalNetwork


@dataclass
class Said:
    """A request as the browser made it."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes

    @property
    def all(self) -> bytes:
        """Everything in it."""
        headers = "\n".join(f"{name}: {value}" for name, value in self.headers.items())
        return f"{self.method} {self.url}\n{headers}\n\n".encode() + self.body


@dataclass
class Person:
    """Who sits there."""

    network: LocalNetwork
    context: BrowserContext
    page: Page
    said: list[Said] = field(default_factory=list)
    complained: list[str] = field(default_factory=list)
    """What pages wrote to the console as errors, and faults in their scripts."""
    scripts: bool = True
    """Whether JavaScript is on."""
    _chromium: Chromium | None = None
    _outside: Browser | None = None

    @classmethod
    @asynccontextmanager
    async def at(
        cls, chromium: Chromium, network: LocalNetwork, *, scripts: bool = True, width: int = 1100
    ) -> AsyncIterator[Self]:
        """Somebody who never was here, for as long as the block lasts."""
        async with chromium.context(scripts=scripts, width=width) as context:
            person = cls(network, context, await context.new_page(), scripts=scripts, _chromium=chromium)
            context.on("request", person._note)
            context.on("console", lambda line: person.complained.append(line.text) if line.type == "error" else None)
            context.on("weberror", lambda error: person.complained.append(str(error.error)))
            try:
                yield person
            finally:
                if person._outside:
                    await person._outside.close()

    @property
    def shop(self) -> str:
        return self.network.origins["merchant"]

    @property
    def tokens(self) -> str:
        return self.network.origins["tsp"]

    @property
    def wallet(self) -> str:
        return self.network.origins["wallet"]

    def said_to(self, origin: str) -> bytes:
        """All that the browser sent to an origin."""
        return b"\n".join(said.all for said in self.said if said.url.startswith(f"{origin}/"))

    async def wallet_window(self) -> Page:
        """The window that the payment handler opens: Playwright does not see it by itself, so it asks from outside.

        From there, only windows are seen that are open already: so ask the browser itself when there is one.
        """
        assert (chromium := self._chromium)

        async def opened() -> bool:
            return any(self._is_window(address) for address in await chromium.windows())

        await until(opened, "the wallet's window")
        if self._outside:
            await self._outside.close()
        self._outside = await chromium.from_outside()
        pages = [page for context in self._outside.contexts for page in context.pages]
        window = next(page for page in pages if self._is_window(page.url))
        window.set_default_timeout(WAIT_MS)
        return window

    def _is_window(self, url: str) -> bool:
        return url.startswith(f"{self.wallet}/app/window")

    async def stored(self) -> bytes:
        """All that the page's origin keeps in the browser, and its cookies."""
        kept = await self.page.evaluate(
            """async () => JSON.stringify([
                {...localStorage}, {...sessionStorage}, document.documentElement.outerHTML,
                [...document.querySelectorAll('input')].map((input) => input.value),
                (await indexedDB.databases()).map((one) => one.name), await caches.keys(),
            ])"""
        )
        cookies = await self.context.cookies(self.page.url)
        return f"{kept}{cookies}".encode()

    def _note(self, request: Request) -> None:
        self.said.append(Said(request.method, request.url, request.headers, request.post_data_buffer or b""))
