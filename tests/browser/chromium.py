"""A real Chromium. It takes a second or two to come up, so that all tests of a process share one.

Each of them is somebody else in it, with a context of their own: a profile in memory. Cookies, stored data, service
workers and payment handlers of one context are unknown to the others, and gone when it is closed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import httpx
from patience import AMPLE_S, ample
from playwright.async_api import Browser, BrowserContext, Error, Playwright
from waiting import until

PROGRAM = "/usr/bin/chromium"
WAIT_MS = 30_000
"""How long a page may take, on a machine that is busy."""

NOBODYS = "about:blank"
"""Where the one window stands that is always open."""


@dataclass(frozen=True)
class Chromium:
    """One that runs."""

    _playwright: Playwright
    _browser: Browser
    _outside: httpx.AsyncClient
    """Asks the browser itself, rather than a page of it."""

    @classmethod
    @asynccontextmanager
    async def running(cls, playwright: Playwright, folder: Path) -> AsyncIterator[Self]:
        """One for as long as the block lasts. folder: where its own profile goes, in which nobody ever is."""
        nobody = await playwright.chromium.launch_persistent_context(
            str(folder),
            executable_path=PROGRAM,
            headless=True,
            args=["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"],
        )
        try:
            assert nobody.browser
            port = (folder / "DevToolsActivePort").read_text().splitlines()[0]
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=AMPLE_S) as outside:
                yield cls(playwright, nobody.browser, outside)
        finally:
            with suppress(Error):  # of one that has died
                await nobody.close()

    @property
    def lives(self) -> bool:
        """Whether it still runs."""
        return self._browser.is_connected()

    async def crash(self) -> None:
        """Have it die, as it may by itself."""
        died = asyncio.Event()
        self._browser.on("disconnected", lambda _: died.set())
        session = await self._browser.new_browser_cdp_session()
        with suppress(Error):  # there is nobody left to answer
            await session.send("Browser.crash")
        async with ample():
            await died.wait()

    @asynccontextmanager
    async def context(self, *, scripts: bool, width: int) -> AsyncIterator[BrowserContext]:
        """A context of somebody who never was anywhere. scripts: whether JavaScript is on. width: of windows, in px."""
        others = len(await self.windows())
        context = await self._browser.new_context(java_script_enabled=scripts, viewport={"width": width, "height": 900})
        context.set_default_timeout(WAIT_MS)
        try:
            yield context
        finally:
            await context.close()
            await until(partial(self._no_more_than, others), "all windows are gone with their owner")

    async def windows(self) -> list[str]:
        """The addresses of all that are open, by whomever: Playwright does not see all by itself."""
        targets = (await self._outside.get("/json/list")).json()
        return [target["url"] for target in targets if target["type"] == "page" and target["url"] != NOBODYS]

    async def from_outside(self) -> Browser:
        """The same browser, where all windows are seen that are open already. Closing it closes but the connection."""
        return await self._playwright.chromium.connect_over_cdp(str(self._outside.base_url))

    async def _no_more_than(self, others: int) -> bool:
        return len(await self.windows()) <= others


class Chromiums:
    """The one that runs; another, where it has died: that is one test's misfortune, and not all others' too."""

    def __init__(self, playwright: Playwright, new_folder: Callable[[], Path]) -> None:
        """new_folder: makes a folder for the profile of each."""
        self._playwright, self._new_folder = playwright, new_folder
        self._stack = AsyncExitStack()
        self._latest: Chromium | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def one(self) -> Chromium:
        """One that lives."""
        if self._latest is None or not self._latest.lives:
            running = Chromium.running(self._playwright, self._new_folder())
            self._latest = await self._stack.enter_async_context(running)
        return self._latest
