"""Measures what recording costs the services, on and off side by side: `python -m bench.recording`, or `make bench`.

What it costs is also told for a machine of the speed of that on which the goals were set: beside each figure, in the
same moment, a yardstick is measured. That is a rough scale, for the yardstick is C and recording mostly Python. The
collector's own work is another process's, and not in it.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import NamedTuple
from unittest.mock import patch

import uvloop
from rich.console import Console
from rich.table import Table

from bench.child import Child
from bench.host import new_cards
from bench.load import NotApproved, Purchases
from cardnet.identity import PROGRAMS
from cardnet.otlp import CollectorSink
from cardnet.recorder import CROWDED_DELAY_S, Recorder
from cardnet.server import collect_seldom
from cardnet.span import BRIEF, TEXT, Ended, Form, Writer
from cardnet.testing import LocalNetwork
from cardnet.traces.collector import Collector
from cardnet.v1.merchant_pb2_grpc import MerchantStub
from cardnet.wire import GrpcLink

IN_FLIGHT = (1, 8, 64)
GATHERED = (1, 16, 64, 128, 256)
GOAL_RECORD_US, GOAL_ALL_US = 5.0, 60.0
YARDSTICK, YARDSTICK_US = "yardstick: SubmitPayment's messages read and written", 2.5
"""By which machines are compared: the goals were set on one that needed so many microseconds for it."""

WRITTEN = 64
"""How many authorisations are written at once where writing is measured."""

PARTS_A_ROUND = 20
"""The parts are over so soon that they can be measured often: the machine's speed changes between two of them."""


class Away(Collector):
    """Sends all spans to another process: all five services by one connection, where five processes have five."""

    def __init__(self, sink: CollectorSink) -> None:
        super().__init__()
        self._sink = sink

    async def export(self, data: bytes, *, ours: bool = True) -> None:
        await self._sink.export(data)


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


class Till:
    """A network of which one kind of recording is measured, and who pays there."""

    def __init__(self, network: LocalNetwork, cards: Sequence[str]) -> None:
        self._pay, self._purchases = MerchantStub(network.channel("merchant")).Checkout, Purchases(cards)

    async def cpu_us(self, in_flight: int, payments: int) -> float:
        """This process's CPU time per authorisation, from the first payment until all spans have been sent."""
        began, turns = time.process_time_ns(), iter(range(payments))
        async with asyncio.TaskGroup() as customers:
            for _ in range(in_flight):
                customers.create_task(self._buy(turns))
        await asyncio.sleep(2 * CROWDED_DELAY_S)
        return (time.process_time_ns() - began) / payments / 1e3

    async def _buy(self, turns: Iterator[int]) -> None:
        for _ in turns:
            answer = await self._pay(self._purchases.next())
            if not answer.approved:
                raise NotApproved(f"a payment was answered {answer.response_code}: {answer.notice}")

    async def one(self) -> list[tuple[str, Ended]]:
        """What each service records of one authorisation."""
        recorded: list[tuple[str, Ended]] = []
        with patch.object(Recorder, "record", lambda recorder, ended: recorded.append((recorder.service, ended))):
            await self._pay(self._purchases.next())
        return recorded


def main() -> int:
    """Run the bench; 0 when all was measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.recording", description=__doc__)
    parser.add_argument("--rounds", type=int, default=12, help="rounds to take medians over (12)")
    parser.add_argument("--payments", type=int, default=512, help="how many make one figure with services (512)")
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
            recorded = await (await _till(ends, "on", address)).one()
        yardstick = Yardstick(ended for _, ended in recorded)
        parts = _parts(recorded, yardstick, rounds) | await _all(recorded, yardstick, rounds, address)
        pairs: dict[int, list[Pair]] = {many: [] for many in IN_FLIGHT}
        async with AsyncExitStack() as ends:
            tills = {name: await _till(ends, name, address) for name in ("off", "on")}
            for till in tills.values():
                await till.cpu_us(max(IN_FLIGHT), payments)  # everything is imported and connected by then
            for number in range(rounds):
                for many in IN_FLIGHT:
                    pairs[many].append(await _pair(tills, yardstick, many, payments, on_first=number % 2 == 1))
        _show(parts, pairs)
    finally:
        await nowhere.end()


async def _till(ends: AsyncExitStack, name: str, collector: str) -> Till:
    settings = {program: {"tracing": "1" if name == "on" else "0"} for program in PROGRAMS}
    network = LocalNetwork(in_process=True, settings=settings)
    network.collector = Away(CollectorSink(GrpcLink("collector", collector, "merchant")))
    await ends.enter_async_context(network)
    return Till(network, await new_cards(network))


class Pair(NamedTuple):
    """The same payments without recording and with it, and what is between them."""

    off_us: float
    on_us: float
    recording: Figure


async def _pair(tills: Mapping[str, Till], yardstick: Yardstick, many: int, payments: int, *, on_first: bool) -> Pair:
    before_us, used = yardstick.cpu_us(), {}
    for name in sorted(tills, reverse=on_first):  # neither always follows the other
        used[name] = await tills[name].cpu_us(many, payments)
    return Pair(used["off"], used["on"], yardstick.beside(used["on"] - used["off"], before_us))


def _parts(recorded: Sequence[tuple[str, Ended]], yardstick: Yardstick, rounds: int) -> dict[str, list[Figure]]:
    """Taking one call, and writing all spans of one authorisation as bytes, many at once as under load."""
    by_service: dict[str, list[Ended]] = {}
    for service, ended in recorded:
        by_service.setdefault(service, []).append(ended)
    recorder, ended = Recorder(recorded[0][0], [Collector()]), recorded[0][1]

    def take() -> None:
        recorder.record(ended)
        recorder._queue.clear()

    def writing(form: Form) -> Callable[[], object]:
        writers = [(Writer(name, form), calls * WRITTEN) for name, calls in by_service.items()]
        return lambda: [writer.batch(calls, 0) for writer, calls in writers]

    works = {
        f"Recorder.record, a call (goal: {GOAL_RECORD_US:.0f})": (take, 2_000, 1),
        f"writing {len(recorded)} spans, an authorisation": (writing(BRIEF), 1, WRITTEN),
        "the same as text, for receivers of others": (writing(TEXT), 1, WRITTEN),
    }
    found: dict[str, list[Figure]] = {name: [] for name in (YARDSTICK, *works)}
    for _ in range(rounds * PARTS_A_ROUND):
        for name, (work, times, each) in works.items():
            before_us = yardstick.cpu_us()
            found[name].append(yardstick.beside(_cpu_us(work, times) / each, before_us))
        found[YARDSTICK].append(Figure(yardstick.cpu_us(), YARDSTICK_US))
    return found


async def _all(
    recorded: Sequence[tuple[str, Ended]], yardstick: Yardstick, rounds: int, address: str
) -> dict[str, list[Figure]]:
    """An authorisation's recording in all: taking, writing, sending to a collector.

    A service gathers for half a second where much comes: how many that are decides what sending costs each.
    """
    sinks = {name: CollectorSink(GrpcLink("collector", address, name)) for name in {name for name, _ in recorded}}
    recorders = {name: Recorder(name, [sink]) for name, sink in sinks.items()}
    found: dict[str, list[Figure]] = {}
    for many in GATHERED:
        figures = found[f"all of it, sent, {many} authorisations gathered (goal: {GOAL_ALL_US:.0f})"] = []
        for _ in range(rounds):
            before_us = yardstick.cpu_us()
            figures.append(yardstick.beside(await _gathered(recorded, recorders, many), before_us))
    for sink in sinks.values():
        await sink.close()
    return found


async def _gathered(recorded: Sequence[tuple[str, Ended]], recorders: Mapping[str, Recorder], many: int) -> float:
    began, times = time.process_time_ns(), 512 // many
    for _ in range(times):
        for _ in range(many):
            for name, ended in recorded:
                recorders[name].record(ended)
        await asyncio.gather(*(recorder.flush() for recorder in recorders.values()))
    return (time.process_time_ns() - began) / times / many / 1e3


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
