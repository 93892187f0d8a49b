"""Measures what recording costs the services, on and off side by side: `python -m bench.recording`, or `make bench`.

The collector's own work is another process's, and not in it.
"""

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from unittest.mock import patch

import uvloop
from rich.console import Console
from rich.table import Table

from bench.child import Child
from bench.host import new_cards
from bench.load import NotApproved, Purchases, measure
from cardnet.identity import PROGRAMS
from cardnet.otlp import CollectorSink
from cardnet.recorder import Recorder
from cardnet.span import BRIEF, TEXT, Ended, Form, Writer
from cardnet.testing import LocalNetwork
from cardnet.traces.collector import Collector
from cardnet.v1.merchant_pb2_grpc import MerchantStub
from cardnet.wire import GrpcLink

IN_FLIGHT = (1, 8, 64)
GATHERED = (1, 16, 128)
GOAL_RECORD_US, GOAL_ALL_US = 5.0, 60.0
YARDSTICK, YARDSTICK_US = "yardstick: SubmitPayment's messages read and written", 2.5
"""By which machines are compared: the goals were set on one that needed so many microseconds for it."""


class Nowhere(Collector):
    """Takes spans and keeps none."""

    async def export(self, data: bytes, *, ours: bool = True) -> None:
        pass


class Till:
    """A network of which one kind of recording is measured, and who pays there."""

    def __init__(self, network: LocalNetwork, cards: Sequence[str]) -> None:
        self._pay, self._purchases = MerchantStub(network.channel("merchant")).Checkout, Purchases(cards)

    async def cpu_us(self, in_flight: int, seconds: float) -> float:
        """This process's CPU time per authorisation."""
        parties = {"all": [os.getpid()]}
        return (await measure(self._pay, self._purchases, in_flight, seconds, parties)).cpu_us["all"]

    async def one(self) -> list[tuple[str, Ended]]:
        """What each service records of one authorisation."""
        recorded: list[tuple[str, Ended]] = []
        with patch.object(Recorder, "record", lambda recorder, ended: recorded.append((recorder.service, ended))):
            await self._pay(self._purchases.next())
        return recorded


def main() -> int:
    """Run the bench; 0 when all was measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.recording", description=__doc__)
    parser.add_argument("--rounds", type=int, default=24, help="rounds to take medians over (24)")
    parser.add_argument("--seconds", type=float, default=0.4, help="how long each is measured in a round (0.4)")
    options = parser.parse_args()
    problem = ""
    try:
        uvloop.run(_run(options.rounds, options.seconds))
    except* NotApproved as problems:
        problem = str(problems.exceptions[0])
    if problem:
        print(f"bench: error: {problem}", file=sys.stderr)
    return 2 if problem else 0


async def _run(rounds: int, seconds: float) -> None:
    async with AsyncExitStack() as ends:
        tills = {name: await _till(ends, name) for name in ("off", "on")}
        recorded = await tills["on"].one()
        parts = _parts(recorded, rounds) | await _all(recorded, rounds)
        used: dict[tuple[str, int], list[float]] = {(name, many): [] for name in tills for many in IN_FLIGHT}
        for number in range(rounds):
            for many in IN_FLIGHT:
                for name in sorted(tills, reverse=number % 2 == 1):  # neither always follows the other
                    used[name, many].append(await tills[name].cpu_us(many, seconds))
    _show(parts, used)


async def _till(ends: AsyncExitStack, name: str) -> Till:
    settings = {program: {"tracing": "1" if name == "on" else "0"} for program in PROGRAMS}
    network = LocalNetwork(in_process=True, settings=settings)
    network.collector = Nowhere()
    await ends.enter_async_context(network)
    return Till(network, await new_cards(network))


def _parts(recorded: Sequence[tuple[str, Ended]], rounds: int) -> dict[str, list[float]]:
    """CPU time in microseconds of taking one call, and of writing all spans of one authorisation as bytes."""
    by_service: dict[str, list[Ended]] = {}
    for service, ended in recorded:
        by_service.setdefault(service, []).append(ended)
    first, ended = Recorder(recorded[0][0], [Nowhere()]), recorded[0][1]

    def take() -> None:
        first.record(ended)
        first._queue.clear()

    def writing(form: Form) -> Callable[[], object]:
        writers = [(Writer(name, form), calls) for name, calls in by_service.items()]
        return lambda: [writer.batch(calls, 0) for writer, calls in writers]

    return {
        f"{YARDSTICK} ({YARDSTICK_US})": _timed(_yardstick(by_service["merchant"]), 5_000, rounds),
        f"Recorder.record, a call (goal: {GOAL_RECORD_US:.0f})": _timed(take, 20_000, rounds),
        f"writing {len(recorded)} spans, an authorisation": _timed(writing(BRIEF), 500, rounds),
        "the same as text, for receivers of others": _timed(writing(TEXT), 500, rounds),
    }


async def _all(recorded: Sequence[tuple[str, Ended]], rounds: int) -> dict[str, list[float]]:
    """CPU time in microseconds of an authorisation's recording in all: taking, writing, sending to a collector.

    A service gathers for a quarter of a second where much comes: how many that are decides what sending costs each.
    """
    house = await Child.start("bench.console.house")
    try:
        _, _, address = (await house.hear()).split()
        sinks = {name: CollectorSink(GrpcLink("collector", address, name)) for name, _ in recorded}
        recorders = {name: Recorder(name, [sink]) for name, sink in sinks.items()}
        found = {many: [await _gathered(recorded, recorders, many) for _ in range(rounds)] for many in GATHERED}
        for sink in sinks.values():
            await sink.close()
    finally:
        await house.end()
    return {
        f"all of it, sent, {many} authorisations gathered (goal: {GOAL_ALL_US:.0f})": found[many] for many in GATHERED
    }


async def _gathered(recorded: Sequence[tuple[str, Ended]], recorders: Mapping[str, Recorder], many: int) -> float:
    began, times = time.process_time_ns(), 512 // many
    for _ in range(times):
        for _ in range(many):
            for name, ended in recorded:
                recorders[name].record(ended)
        await asyncio.gather(*(recorder.flush() for recorder in recorders.values()))
    return (time.process_time_ns() - began) / times / many / 1e3


def _yardstick(calls: Sequence[Ended]) -> Callable[[], object]:
    call = next(one for one in calls if one.method.endswith("/SubmitPayment"))
    known = [(type(message), message.SerializeToString()) for message in (call.request, call.response) if message]
    return lambda: [kind.FromString(data).SerializeToString() for kind, data in known]


def _timed(work: Callable[[], object], times: int, rounds: int) -> list[float]:
    found = []
    for _ in range(rounds):
        began = time.process_time_ns()
        for _ in range(times):
            work()
        found.append((time.process_time_ns() - began) / times / 1e3)
    return found


def _show(parts: dict[str, list[float]], used: dict[tuple[str, int], list[float]]) -> None:
    table = Table("CPU time, microseconds", "off", "on", "recording")
    for name, found in parts.items():
        table.add_row(name, "", "", _spread(found))
    for many in IN_FLIGHT:
        off, on = used["off", many], used["on", many]
        between = [with_ - without for with_, without in zip(on, off, strict=True)]
        table.add_row(
            f"an authorisation, {many} in flight (goal: {GOAL_ALL_US:.0f})", _spread(off), _spread(on), _spread(between)
        )
    Console(width=140).print(table)


def _spread(found: Sequence[float]) -> str:
    """Median and quartiles: a machine that others use, too, has no least and greatest worth telling."""
    if len(found) < 2:
        return f"{found[0]:.2f}"
    digits = 2 if statistics.median(found) < 10 else 0
    low, middle, high = statistics.quantiles(found, n=4, method="inclusive")
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


if __name__ == "__main__":
    sys.exit(main())
