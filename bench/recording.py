"""Measures what recording costs the services, on and off side by side: `python -m bench.recording`, or `make bench`.

What it costs is also told for a machine of the speed of that on which the goals were set: beside each figure, in the
same moment, a yardstick is measured. That is a rough scale, for the yardstick is C and recording mostly Python. The
collector's own work is another process's, and not in it.
"""

import argparse
import asyncio
import itertools
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import NamedTuple

import uvloop
from rich.console import Console
from rich.table import Table

from bench.child import Child
from bench.load import NotApproved
from bench.till import Authorisation, Till, opened
from cardnet.otlp import CollectorSink
from cardnet.recorder import Recorder
from cardnet.server import collect_seldom
from cardnet.span import BRIEF, TEXT, Ended, Form, Writer
from cardnet.traces.collector import Collector
from cardnet.wire import GrpcLink

IN_FLIGHT = (1, 8, 64)
GATHERED = (1, 16, 64, 128, 256)
GOAL_RECORD_US, GOAL_ALL_US = 5.0, 60.0
YARDSTICK, YARDSTICK_US = "yardstick: SubmitPayment's messages read and written", 2.5
"""By which machines are compared: the goals were set on one that needed so many microseconds for it."""

KNOWN = 512
"""Of how many authorisations the calls are written where the parts are measured. Each has messages of its own, as under
load: the same ones again and again would be quicker to read.
"""

WRITTEN = 64
"""How many authorisations are written at once where writing is measured."""

PARTS_A_ROUND, PAIRS_A_ROUND = 20, 8
"""What is soon over can be measured often: the machine's speed changes from one moment to the next."""


@dataclass(frozen=True)
class Figure:
    """CPU time in microseconds, and what it would be where the goals were set."""

    here: float
    there: float


class Yardstick:
    """What a message and its answer cost to read and write: machines are compared by it."""

    def __init__(self, calls: Iterable[Ended]) -> None:
        call = next(one for one in calls if one.method.endswith("/SubmitPayment"))
        self._known = [
            (type(message), message.SerializeToString()) for message in (call.request, call.response) if message
        ]

    def cpu_us(self) -> float:
        """Its cost at this moment."""
        return _cpu_us(self.use, 100)

    def beside(self, cpu_us: float, before_us: float) -> Figure:
        """A cost that was measured since it was `before_us`."""
        return Figure(cpu_us, cpu_us * YARDSTICK_US / statistics.fmean((before_us, self.cpu_us())))

    def use(self) -> None:
        """Read and write them once."""
        for kind, data in self._known:
            kind.FromString(data).SerializeToString()


def main() -> int:
    """Run the bench; 0 when all was measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.recording", description=__doc__)
    parser.add_argument("--rounds", type=int, default=12, help="rounds to take medians over (12)")
    parser.add_argument("--payments", type=int, default=128, help="how many are gathered with services (128)")
    options = parser.parse_args()
    problem = ""
    try:
        collect_seldom()
        uvloop.run(_run(options.rounds, options.payments))
    except* NotApproved as problems:
        problem = str(problems.exceptions[0])
    if problem:
        print(f"bench: error: {problem}", file=sys.stderr)
    return 2 if problem else 0


async def _run(rounds: int, payments: int) -> None:
    nowhere = await Child.start("bench.nowhere")
    try:
        address = (await nowhere.hear()).split()[1]
        async with AsyncExitStack() as ends:
            till = await opened(ends, "on", address)
            known = [await till.recorded() for _ in range(KNOWN)]
        yardstick = Yardstick(ended for _, ended in known[0])
        parts = _parts(known, yardstick, rounds) | await _all(known, yardstick, rounds, address)
        pairs: dict[int, list[Pair]] = {many: [] for many in IN_FLIGHT}
        async with AsyncExitStack() as ends:
            tills = {name: await opened(ends, name, address) for name in ("off", "on")}
            for till in tills.values():
                await till.cpu_us(max(IN_FLIGHT), KNOWN)  # everything is imported and connected by then
            for _ in range(rounds):
                for many in IN_FLIGHT:
                    pairs[many].append(await _pair(tills, yardstick, many, payments))
        _show(parts, pairs)
    finally:
        await nowhere.end()


class Pair(NamedTuple):
    """The same payments without recording and with it, and what is between them."""

    off_us: float
    on_us: float
    recording: Figure


async def _pair(tills: Mapping[str, Till], yardstick: Yardstick, many: int, payments: int) -> Pair:
    """The mean of several, which take turns in being first: neither always follows the other."""
    found = []
    for number in range(PAIRS_A_ROUND):
        before_us, used = yardstick.cpu_us(), {}
        for name in sorted(tills, reverse=number % 2 == 1):
            used[name] = await tills[name].cpu_us(many, payments)
        found.append(Pair(used["off"], used["on"], yardstick.beside(used["on"] - used["off"], before_us)))
    here = statistics.fmean(pair.recording.here for pair in found)
    there = statistics.fmean(pair.recording.there for pair in found)
    off_us, on_us = statistics.fmean(pair.off_us for pair in found), statistics.fmean(pair.on_us for pair in found)
    return Pair(off_us, on_us, Figure(here, there))


def _parts(known: Sequence[Authorisation], yardstick: Yardstick, rounds: int) -> dict[str, list[Figure]]:
    """Taking one call, and writing all spans of one authorisation as bytes, many at once as under load."""
    service, ended = known[0][0]
    recorder = Recorder(service, [Collector()])

    def take() -> None:
        recorder.record(ended)
        recorder._queue.clear()

    def writing(form: Form) -> Callable[[], object]:
        writers = {name: Writer(name, form) for name, _ in known[0]}
        some = (known[first : first + WRITTEN] for first in range(0, len(known), WRITTEN))
        next_ones = itertools.cycle([_by_service(authorisations) for authorisations in some])
        return lambda: [writers[name].batch(calls, 0) for name, calls in next(next_ones).items()]

    spans = sum(map(len, known)) / len(known)
    works = {
        f"Recorder.record, a call (goal: {GOAL_RECORD_US:.0f})": (take, 2_000, 1),
        f"writing {spans:.0f} spans, an authorisation": (writing(BRIEF), 1, WRITTEN),
        "the same as text, for receivers of others": (writing(TEXT), 1, WRITTEN),
    }
    found: dict[str, list[Figure]] = {name: [] for name in (YARDSTICK, *works)}
    for _ in range(rounds * PARTS_A_ROUND):
        for name, (work, times, each) in works.items():
            before_us = yardstick.cpu_us()
            found[name].append(yardstick.beside(_cpu_us(work, times) / each, before_us))
        found[YARDSTICK].append(Figure(yardstick.cpu_us(), YARDSTICK_US))
    return found


def _by_service(some: Iterable[Authorisation]) -> dict[str, list[Ended]]:
    calls: dict[str, list[Ended]] = {}
    for service, ended in itertools.chain.from_iterable(some):
        calls.setdefault(service, []).append(ended)
    return calls


async def _all(
    known: Sequence[Authorisation], yardstick: Yardstick, rounds: int, address: str
) -> dict[str, list[Figure]]:
    """An authorisation's recording in all: taking, writing, sending to a collector.

    A service gathers for half a second where much comes: how many that are decides what sending costs each.
    """
    sinks = {name: CollectorSink(GrpcLink("collector", address, name)) for name in {name for name, _ in known[0]}}
    recorders = {name: Recorder(name, [sink]) for name, sink in sinks.items()}
    found: dict[str, list[Figure]] = {}
    for many in GATHERED:
        figures = found[f"all of it, sent, {many} authorisations gathered (goal: {GOAL_ALL_US:.0f})"] = []
        for _ in range(rounds):
            before_us = yardstick.cpu_us()
            figures.append(yardstick.beside(await _gathered(known, recorders, many), before_us))
    for sink in sinks.values():
        await sink.close()
    return found


async def _gathered(known: Sequence[Authorisation], recorders: Mapping[str, Recorder], many: int) -> float:
    began = time.process_time_ns()
    for first in range(0, len(known), many):
        for name, ended in itertools.chain.from_iterable(known[first : first + many]):
            recorders[name].record(ended)
        await asyncio.gather(*(recorder.flush() for recorder in recorders.values()))
    return (time.process_time_ns() - began) / len(known) / 1e3


def _cpu_us(work: Callable[[], object], times: int) -> float:
    began = time.process_time_ns()
    for _ in range(times):
        work()
    return (time.process_time_ns() - began) / times / 1e3


def _show(parts: Mapping[str, Sequence[Figure]], pairs: Mapping[int, Sequence[Pair]]) -> None:
    table = Table("CPU time, microseconds", "off", "on", "recording", f"where the yardstick is {YARDSTICK_US}")
    for name, figures in parts.items():
        table.add_row(name, "", "", *_here_and_there(figures))
    for many, found in pairs.items():
        off, on = _spread([pair.off_us for pair in found]), _spread([pair.on_us for pair in found])
        name = f"an authorisation, {many} in flight (goal: {GOAL_ALL_US:.0f})"
        table.add_row(name, off, on, *_here_and_there([pair.recording for pair in found]))
    Console(width=160).print(table)


def _here_and_there(figures: Sequence[Figure]) -> tuple[str, str]:
    return _spread([figure.here for figure in figures]), _spread([figure.there for figure in figures])


def _spread(found: Sequence[float]) -> str:
    """Median and quartiles: a machine that others use, too, has no least and greatest worth telling."""
    if len(found) < 2:
        return f"{found[0]:.2f}"
    digits = 2 if statistics.median(found) < 10 else 0
    low, middle, high = statistics.quantiles(found, n=4, method="inclusive")
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


if __name__ == "__main__":
    sys.exit(main())
