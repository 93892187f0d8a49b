"""The list in a real Chromium, and how smooth it is."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from shutil import which

from playwright.async_api import CDPSession, Page, async_playwright, expect

from bench.console.figures import Sight

WIDTH, HEIGHT = 1280, 900

LIVE_WITHIN_MS = 30_000
"""How long the page may take to be told of news, on a machine that is busy."""
SHORTEST_MS = 16
"""The browser does not tell how long a key took that took less."""

WATCH = """() => {
  window.watched = { frames: [], tasks: [], keys: [], changes: 0 };
  let last = 0;
  const frame = (now) => { if (last) watched.frames.push(now - last); last = now; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
  new PerformanceObserver((list) => {
    for (const task of list.getEntries()) watched.tasks.push(task.duration);
  }).observe({ type: "longtask" });
  const list = document.querySelector("#lines tbody");
  new MutationObserver(() => { watched.changes += 1; }).observe(list, { childList: true });
  new PerformanceObserver((list) => {
    for (const event of list.getEntries()) if (event.name === "keydown") watched.keys.push(event.duration);
  }).observe({ type: "event", durationThreshold: 16 });
}"""

TAKE = """() => {
  const taken = watched;
  watched = { frames: [], tasks: [], keys: [], changes: 0 };
  return taken;
}"""

COUNTS = """() => Object.fromEntries([...document.querySelectorAll("[data-count]")].map(
  (place) => [place.dataset.count, Number(place.textContent.replaceAll(",", ""))]
))"""

PARTS = {"main": "TaskDuration", "script": "ScriptDuration", "style": "RecalcStyleDuration", "layout": "LayoutDuration"}
"""What the page's main thread did, by the browser's own names of its clocks."""


class Watched:
    """The page, and the browser's own figures of it. Made by `opened`."""

    def __init__(self, page: Page, clocks: CDPSession, processes: CDPSession) -> None:
        self.page, self._clocks, self._processes = page, clocks, processes

    async def look(self, seconds: float) -> Sight:
        """Look on and do nothing."""
        before, began = await self._used(), time.perf_counter()
        await self.page.evaluate(TAKE)
        await asyncio.sleep(seconds)
        seen, after = await self.page.evaluate(TAKE), await self._used()
        took = time.perf_counter() - began
        shares = {name: (after[name] - before.get(name, 0.0)) / took for name in after}
        return Sight(took, seen["frames"], seen["tasks"], seen["changes"], shares)

    async def press(self, times: int, between_s: float) -> list[float]:
        """Go into the list by a key, and out again, so often: how long each took to be shown, in milliseconds."""
        await self.page.evaluate(TAKE)
        for _ in range(times):
            await self.page.keyboard.press("j")
            await asyncio.sleep(between_s)
            await self.page.keyboard.press("Escape")
            await asyncio.sleep(between_s)
        slow: list[float] = (await self.page.evaluate(TAKE))["keys"]
        return slow + [float(SHORTEST_MS)] * (2 * times - len(slow))

    async def counts(self) -> dict[str, int]:
        """What the page counts."""
        counts: dict[str, int] = await self.page.evaluate(COUNTS)
        return counts

    async def _used(self) -> dict[str, float]:
        metrics = {one["name"]: one["value"] for one in (await self._clocks.send("Performance.getMetrics"))["metrics"]}
        used = {name: metrics[metric] for name, metric in PARTS.items()}
        for process in (await self._processes.send("SystemInfo.getProcessInfo"))["processInfo"]:
            used[process["type"]] = used.get(process["type"], 0.0) + process["cpuTime"]
        return used


@asynccontextmanager
async def opened(origin: str) -> AsyncIterator[Watched]:
    """A browser at the list, which lives."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=which("chromium"), args=["--headless=new", "--no-sandbox", "--disable-gpu"]
        )
        context = await browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})
        page = await context.new_page()
        await page.goto(origin)
        await expect(page.locator("#state")).to_have_text("live", timeout=LIVE_WITHIN_MS)
        await page.evaluate(WATCH)
        clocks = await context.new_cdp_session(page)
        await clocks.send("Performance.enable", {"timeDomain": "threadTicks"})
        yield Watched(page, clocks, await browser.new_browser_cdp_session())
        await browser.close()
