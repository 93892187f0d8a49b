"""The load on the TSP: requests made beforehand, so many in flight at a time, each answered as it should be."""

import time
from asyncio import TaskGroup
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message

from bench.load import NotApproved, Sample
from bench.usage import cpu_s

Ask = Callable[[Message], Awaitable[Any]]
Approved = Callable[[Any], bool]

_WARM_UP = 0.1
"""The share of a stretch that is not counted: connections and caches, and spare requests to keep it full to the end."""


def needed(calls: int, in_flight: int) -> int:
    """How many requests a stretch takes in which `calls` are counted."""
    return calls + _warm_up(calls) + in_flight


async def measure(
    ask: Ask, approved: Approved, requests: Sequence[Message], in_flight: int, processes: Mapping[str, Sequence[int]]
) -> Sample:
    """Ask everything, `in_flight` at a time; count what `needed` said. NotApproved if an answer is a refusal.

    processes: the process ids of each party whose CPU time is asked for.
    """
    calls = _calls(len(requests), in_flight)
    stretch = _Stretch(_warm_up(calls), calls, processes)
    rest = iter(requests)

    async def customer() -> None:
        for request in rest:
            began = time.perf_counter()
            answer = await ask(request)
            stretch.answered(time.perf_counter() - began)
            if not approved(answer):
                raise NotApproved("a call was refused: then there is nothing to measure")

    async with TaskGroup() as customers:
        for _ in range(in_flight):
            customers.create_task(customer())
    return stretch.sample()


@dataclass
class _Stretch:
    """Counts answers: none of the first `warm_up`, then `calls` of them."""

    warm_up: int
    calls: int
    processes: Mapping[str, Sequence[int]]
    latencies: list[float] = field(default_factory=list)
    seen: int = 0
    before: dict[str, float] = field(default_factory=dict)
    after: dict[str, float] = field(default_factory=dict)
    began: float = 0.0
    ended: float = 0.0

    def answered(self, latency_s: float) -> None:
        self.seen += 1
        if self.seen == self.warm_up:
            self.before, self.began = self._used(), time.perf_counter()
        elif self.warm_up < self.seen <= self.warm_up + self.calls:
            self.latencies.append(latency_s)
            if self.seen == self.warm_up + self.calls:
                self.ended, self.after = time.perf_counter(), self._used()

    def sample(self) -> Sample:
        latencies = sorted(self.latencies)
        return Sample(
            per_s=self.calls / (self.ended - self.began),
            p50_ms=1e3 * latencies[self.calls // 2],
            p99_ms=1e3 * latencies[self.calls * 99 // 100],
            cpu_us={party: 1e6 * (self.after[party] - self.before[party]) / self.calls for party in self.processes},
        )

    def _used(self) -> dict[str, float]:
        return {party: cpu_s(pids) for party, pids in self.processes.items()}


def _warm_up(calls: int) -> int:
    return max(1, int(calls * _WARM_UP))


def _calls(total: int, in_flight: int) -> int:
    """The inverse of `needed`."""
    calls = total - in_flight
    while needed(calls, in_flight) > total:
        calls -= 1
    return calls
