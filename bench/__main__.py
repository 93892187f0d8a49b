"""Measures what an authorisation costs: `python -m bench`, or `make bench`."""

import argparse
import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import uvloop
from rich.console import Console

from bench.child import ChildEnded
from bench.load import NotApproved
from bench.results import Results
from bench.rows import ROWS, Row, running, start_times, turned
from bench.table import WIDTH, machine, show
from bench.usage import memory_mb
from bench.wire import Unanswered

IN_FLIGHT = (1, 8, 64)
STARTS = 5


def main() -> int:
    """Run the bench; 0 when all that was asked for was measured."""
    options = _options()
    results, problem = Results(), ""
    try:
        uvloop.run(_run(options, results, Console(stderr=True)))
    except* (ChildEnded, NotApproved, Unanswered) as problems:
        problem = str(problems.exceptions[0])
    if problem:
        print(f"bench: error: {problem}", file=sys.stderr)
        return 2
    show(results, Console(width=max(WIDTH, Console().width)))
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), **results.as_json()}, indent=1))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=6, help="rounds to take medians over (6)")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each row is measured in a round (2)")
    parser.add_argument("--quick", action="store_true", help="2 rounds of half a second: whether it runs, not how fast")
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS), help="some rows alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single figure to a file")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 2, 0.5
    return options


async def _run(options: argparse.Namespace, results: Results, progress: Console) -> None:
    if "five" in options.only:
        with progress.status("starting five services, five times"):
            results.starts = await start_times(STARTS)
    async with AsyncExitStack() as ends:
        rows: dict[str, Row] = {}
        for name in options.only:
            with progress.status(f"starting {ROWS[name]}"):
                rows[name] = await ends.enter_async_context(running(name))
            if name == "five":
                # What is entered last ends first: (a) is weighed when no other row shares its pages any more.
                ends.callback(_weigh, rows[name], results)
        await _measure(rows, options, results, progress)


def _weigh(row: Row, results: Results) -> None:
    results.memory_mb = [memory_mb(pid) for pid in row.services]


async def _measure(rows: dict[str, Row], options: argparse.Namespace, results: Results, progress: Console) -> None:
    for number in range(options.rounds):
        for in_flight in IN_FLIGHT:
            for name in turned(list(rows), number):
                told = f"round {number + 1} of {options.rounds}, {in_flight} in flight: {ROWS[name]}"
                with progress.status(told):
                    results.add(name, in_flight, await rows[name].measure(in_flight, options.seconds))


if __name__ == "__main__":
    sys.exit(main())
