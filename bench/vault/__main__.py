"""Measures the token service provider alone: `python -m bench.vault`; with --growth, how it grows with its tokens."""

import argparse
import json
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console

from bench.child import ChildEnded
from bench.load import NotApproved
from bench.rows import turned
from bench.table import WIDTH, machine
from bench.vault.figures import Figures
from bench.vault.growth import SIZES, grown
from bench.vault.house import House, housed
from bench.vault.picture import draw
from bench.vault.rotation import rotate
from bench.vault.rows import CALL_ROWS, CALLS, EMPTY, call_rows
from bench.vault.sowing import sown
from bench.vault.supply import Supply
from bench.vault.table import show
from bench.wire import Unanswered
from cardnet.errors import Fault

TOKENS, QUICK_TOKENS = 100_000, 2_000
BEFORE_S = 15.0
"""How long payments come before the rotation."""

Measure = Callable[[House, argparse.Namespace, Figures], Coroutine[Any, Any, None]]


def main() -> int:
    """Run the bench; 0 when all that was asked for was measured."""
    options, figures, problem = _options(), Figures(), ""
    measure = _growth if options.growth else _calls
    try:
        uvloop.run(_within(measure, options, figures))
    except* (ChildEnded, NotApproved, Unanswered, Fault) as problems:
        problem = str(_first(problems))
    if problem:
        print(f"bench: error: {problem}", file=sys.stderr)
        return 2
    show(figures, Console(width=max(WIDTH, Console().width)))
    if options.json:
        _keep(options.json, figures)
    if options.svg:
        options.svg.write_text(draw(figures.sizes))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.vault", description=__doc__)
    parser.add_argument("--rounds", type=int, default=6, help="rounds to take medians over (6)")
    parser.add_argument("--tokens", type=int, help="tokens that the vault holds (100000), or grows to")
    parser.add_argument(
        "--quick", action="store_true", help="2 short rounds, 2,000 tokens: whether it runs, not how fast"
    )
    parser.add_argument("--growth", action="store_true", help=f"{SIZES[0]:,} to {SIZES[-1]:,} tokens instead")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the growth")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single figure to a file")
    options = parser.parse_args()
    options.share, options.before_s = 1.0, BEFORE_S
    if options.quick:
        options.rounds, options.share, options.before_s = 2, 0.1, 1.0
    tokens = options.tokens or (SIZES[1] if options.quick else SIZES[-1])
    options.sizes = [size for size in SIZES if size <= tokens]
    options.tokens = options.tokens or (QUICK_TOKENS if options.quick else TOKENS)
    return options


async def _within(measure: Measure, options: argparse.Namespace, figures: Figures) -> None:
    async with housed() as house:
        await measure(house, options, figures)


async def _calls(house: House, options: argparse.Namespace, figures: Figures) -> None:
    progress = Console(stderr=True)
    with progress.status(f"sowing {options.tokens:,} tokens"):
        figures.stored = await sown(house, range(1, options.tokens + 1))
    supply = Supply(house, options.tokens)
    rows = await call_rows(house, supply)
    for number in range(options.rounds):
        for in_flight in CALLS:
            for name in turned(list(rows), number):
                with progress.status(
                    f"round {number + 1} of {options.rounds}, {in_flight} in flight: {CALL_ROWS[name]}"
                ):
                    figures.calls.add(name, in_flight, await rows[name].measure(in_flight, options.share))
                    empty = await rows[name].measure_empty(in_flight, options.share)
                    figures.calls.add(f"{name}{EMPTY}", in_flight, empty)
    for row in rows.values():
        row.close()
    with progress.status("rotating the data key"):
        figures.rotated = await rotate(house, supply, options.before_s)


async def _growth(house: House, options: argparse.Namespace, figures: Figures) -> None:
    progress = Console(stderr=True)
    for size in options.sizes:
        with progress.status(f"growing to {size:,} tokens"):
            figures.sizes.append(await grown(house, size, figures.sizes, options.rounds, options.share))
        if options.json:
            _keep(options.json, figures)


def _keep(file: Path, figures: Figures) -> None:
    file.write_text(json.dumps({"machine": machine(), **figures.as_json()}, indent=1))


def _first(problems: BaseExceptionGroup[BaseException]) -> BaseException:
    first = problems.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


if __name__ == "__main__":
    sys.exit(main())
