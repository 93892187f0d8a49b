"""What more instances of each service give on this machine: `python -m bench.instances`.

Networks of one to four instances of each service stand side by side, and are measured in turn: medians over the rounds
with their spread. All share this machine's cores: without cores for it an instance more shows what it costs, and not
what it gives.
"""

import argparse
import asyncio
import statistics
import sys
from contextlib import AsyncExitStack

from rich.console import Console
from rich.table import Table

from bench.fleet import Fleet, sailing
from bench.load import NotApproved, Purchases, Sample, measure
from bench.table import machine
from cardnet.test_cards import test_card
from cardnet.v1.merchant_pb2_grpc import MerchantStub

COUNTS = (1, 2, 3, 4)
CUSTOMERS = 16


async def run(rounds: int, seconds: float, in_flight: int) -> dict[int, list[Sample]]:
    """So many samples for each number of instances."""
    found: dict[int, list[Sample]] = {count: [] for count in COUNTS}
    async with AsyncExitStack() as ends:
        fleets = {count: await ends.enter_async_context(sailing(count)) for count in COUNTS}
        purchases = {count: Purchases(await _cards(fleet)) for count, fleet in fleets.items()}
        for number in range(rounds):
            for count in COUNTS[number % len(COUNTS) :] + COUNTS[: number % len(COUNTS)]:
                pay = MerchantStub(fleets[count].network.channel("merchant")).Checkout
                found[count].append(await measure(pay, purchases[count], in_flight, seconds, _processes(fleets[count])))
    return found


async def _cards(fleet: Fleet) -> list[str]:
    card = test_card("approved")
    customers = (fleet.network.cardholder(f"customer-{number}") for number in range(CUSTOMERS))
    return [(await customer.save_card(card.pan, card.expiry)).id for customer in customers]


def _processes(fleet: Fleet) -> dict[str, list[int]]:
    services = [process.pid for some in fleet.instances.values() for process in some]
    return {"services": services, "store": [fleet.store.process.pid]}


def _show(found: dict[int, list[Sample]], in_flight: int) -> None:
    table = Table(title=f"{in_flight} in flight · {machine()}", title_justify="left")
    for heading in ("instances of each", "payments/s", "p50 ms", "p99 ms", "CPU µs a payment: services", "store"):
        table.add_column(heading, justify="right")
    for count, samples in found.items():
        figures = [
            [sample.per_s for sample in samples],
            [sample.p50_ms for sample in samples],
            [sample.p99_ms for sample in samples],
            [sample.cpu_us["services"] for sample in samples],
            [sample.cpu_us["store"] for sample in samples],
        ]
        shown = (f"{statistics.median(some):,.0f} [{min(some):,.0f}–{max(some):,.0f}]" for some in figures)
        table.add_row(str(count), *shown)
    Console(width=140).print(table)


def main() -> int:
    """Run it; 0 when all was measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.instances", description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--in-flight", type=int, default=16)
    asked = parser.parse_args()
    problem = ""
    try:
        _show(asyncio.run(run(asked.rounds, asked.seconds, asked.in_flight)), asked.in_flight)
    except* NotApproved as problems:
        problem = f"bench: error: {problems.exceptions[0]}"
    if problem:
        print(problem, file=sys.stderr)
    return 2 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
