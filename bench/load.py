"""The load: so many customers at once, each of whom pays again as soon as the last payment is answered."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, cycle

from bench.usage import cpu_s
from cardnet.v1.merchant_pb2 import CheckoutRequest, CheckoutResponse

WARM_UP_S = 0.5
"""How long the load runs before anything is counted: queues fill, spans of the time before are sent."""

Pay = Callable[[CheckoutRequest], Awaitable[CheckoutResponse]]


class NotApproved(Exception):
    """A payment was answered with anything but an approval: then there is nothing to measure."""


@dataclass(frozen=True)
class Sample:
    """What one stretch of load gave. cpu_us: CPU time per authorisation by who used it, in microseconds."""

    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: Mapping[str, float]


class Purchases:
    """Purchases that never repeat: a fresh idempotency key for each, and the cards in turn."""

    def __init__(self, cards: Sequence[str]) -> None:
        """cards: what the shop calls the cards on file."""
        self._cards = cycle(cards)
        self._numbers = count(1)

    def next(self) -> CheckoutRequest:
        """One of 0.01 USD, so that no account runs dry."""
        key = f"{next(self._numbers):016x}"
        return CheckoutRequest(idempotency_key=key, card_on_file_id=next(self._cards), amount_minor=1, currency="840")


async def measure(
    pay: Pay, purchases: Purchases, in_flight: int, seconds: float, processes: Mapping[str, Sequence[int]]
) -> Sample:
    """Keep `in_flight` payments in flight and count what ends within `seconds`. NotApproved if one is refused.

    processes: the process ids of each party whose CPU time is asked for.
    """
    latencies: list[float] = []
    done = asyncio.Event()

    async def buy() -> None:
        while not done.is_set():
            started = time.perf_counter()
            answer = await pay(purchases.next())
            latencies.append(time.perf_counter() - started)
            if not answer.approved:
                raise NotApproved(f"a payment was answered {answer.response_code}: {answer.notice}")

    async with asyncio.TaskGroup() as customers:
        for _ in range(in_flight):
            customers.create_task(buy())
        await asyncio.sleep(WARM_UP_S)
        latencies.clear()
        began, before = time.perf_counter(), _used(processes)
        await asyncio.sleep(seconds)
        counted, after, ended = sorted(latencies), _used(processes), time.perf_counter()
        done.set()
    if not counted:
        raise NotApproved(f"no payment was answered within {seconds} s")
    return Sample(
        per_s=len(counted) / (ended - began),
        p50_ms=1e3 * counted[len(counted) // 2],
        p99_ms=1e3 * counted[len(counted) * 99 // 100],
        cpu_us={party: 1e6 * (after[party] - before[party]) / len(counted) for party in processes},
    )


def _used(processes: Mapping[str, Sequence[int]]) -> dict[str, float]:
    return {party: cpu_s(pids) for party, pids in processes.items()}
