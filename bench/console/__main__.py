"""Measures whether the console's list stays smooth while authorisations come: `python -m bench.console`."""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

import uvloop
from rich.console import Console

from bench.child import Child, ChildEnded
from bench.console.feed import Fed
from bench.console.figures import RATES, Figures, Stretch
from bench.console.table import WIDTH, show
from bench.rows import turned
from bench.table import machine
from bench.usage import cpu_s

if TYPE_CHECKING:
    from bench.console.page import Watched

BEFORE_S = 1.0
"""How long authorisations come before anything is looked at."""

KEYS, BETWEEN_KEYS_S = 6, 0.25
"""How often a person goes into the list and out again, in one stretch; how long they wait between two keys."""

FULL, FILLING_S = 50, 12.0
"""Authorisations a second, and for how long, until the page has as many lines as it keeps."""

COUNTED_WITHIN_S = 30.0
"""How long the page may take to count what was taken; it is told four times a second."""


class Inexact(Exception):
    """The page counts other than what was sent."""


def main() -> int:
    """Run the bench; 0 when all was measured and the counts were exact."""
    options, figures, problem = _options(), Figures(), ""
    if missing := [name for name, there in _needed().items() if not there]:
        told = f"bench: the console's list is not measured: {' and '.join(missing)} missing; `make test-browser` "
        print(f"{told}begins by installing them (.venv/bin/python tools/browser.py)", file=sys.stderr)
        return 0 if options.if_possible else 2
    try:
        uvloop.run(_run(options, figures, Console(stderr=True)))
    except* (ChildEnded, Inexact) as problems:
        problem = str(problems.exceptions[0])
    if problem:
        print(f"bench: error: {problem}", file=sys.stderr)
        return 2
    show(figures, Console(width=max(WIDTH, Console().width)))
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), **figures.as_json()}, indent=1))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.console", description=__doc__)
    parser.add_argument("--rounds", type=int, default=6, help="rounds to take medians over (6)")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each rate is looked at in a round (4)")
    parser.add_argument("--quick", action="store_true", help="2 rounds of a second: whether it runs, not how smooth")
    parser.add_argument("--if-possible", action="store_true", help="without a browser, say so and succeed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single figure to a file")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 2, 1.0
    return options


def _needed() -> dict[str, bool]:
    return {"Playwright": find_spec("playwright") is not None, "Chromium": which("chromium") is not None}


async def _run(options: argparse.Namespace, figures: Figures, progress: Console) -> None:
    with progress.status("starting a console, a browser and who feeds them"):
        async with _running() as bench:
            await bench.feed(FULL, FILLING_S)
            for number in range(options.rounds):
                for rate in turned(RATES, number):
                    progress.log(f"round {number + 1} of {options.rounds}: {rate:,} a second")
                    figures.by_rate[rate].append(await bench.stretch(rate, options.seconds))


class Bench:
    """What runs: a console, who feeds it, and a browser at its list."""

    def __init__(self, house: Child, feeder: Child, page: "Watched") -> None:
        self._house, self._feeder, self._page = house, feeder, page
        self._sent = {"seen": 0, "approved": 0, "refused": 0, "unanswered": 0, "lost": 0}

    async def stretch(self, rate: int, seconds: float) -> Stretch:
        """One rate for a while. Inexact if the page counts wrongly afterwards."""
        keys_s = 2 * KEYS * BETWEEN_KEYS_S
        feeding = asyncio.create_task(self.feed(rate, BEFORE_S + seconds + keys_s))
        await asyncio.sleep(BEFORE_S)
        before = cpu_s([self._house.pid])
        sight = await self._page.look(seconds)
        used_s = cpu_s([self._house.pid]) - before
        keys_ms = await self._page.press(KEYS, BETWEEN_KEYS_S)
        fed = await feeding
        return Stretch((fed.approved + fed.refused) / fed.seconds, sight, keys_ms, used_s / sight.seconds)

    async def feed(self, rate: int, seconds: float) -> Fed:
        """Have so many sent, and the page count them."""
        self._feeder.tell(f"{rate} {seconds}")
        fed = Fed(**json.loads(await self._feeder.hear()))
        self._sent["seen"] += fed.approved + fed.refused
        self._sent["approved"] += fed.approved
        self._sent["refused"] += fed.refused
        await self._counted()
        return fed

    async def _counted(self) -> None:
        counts: dict[str, int] = {}
        for _ in range(int(COUNTED_WITHIN_S / 0.25)):
            if (counts := await self._page.counts()) == self._sent:
                return
            await asyncio.sleep(0.25)
        raise Inexact(f"sent were {self._sent}, and the page counts {counts}")


@asynccontextmanager
async def _running() -> AsyncIterator[Bench]:
    from bench.console.page import opened  # there may be no browser, which is said first

    house = await Child.start("bench.console.house")
    try:
        _, origin, collector = (await house.hear()).split()
        feeder = await Child.start("bench.console.feed", collector)
        try:
            await feeder.hear()
            async with opened(origin) as page:
                yield Bench(house, feeder, page)
        finally:
            await feeder.end()
    finally:
        await house.end()


if __name__ == "__main__":
    sys.exit(main())
