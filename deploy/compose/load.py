"""A little load on a network that runs: `python load.py --seconds 20 --in-flight 16`.

So many customers at once, each of whom pays again as soon as the last payment is answered. Prints payments a second and
what they were answered. Exit codes: 0 all were approved, 1 some were not, 2 the network could not be asked.
"""

import asyncio
import sys
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from itertools import count
from pathlib import Path
from secrets import token_hex

from cardnet.errors import Fault
from cardnet.money import Money
from cardnet.testing import RemoteNetwork

ADDRESSES = {"merchant": "127.0.0.1:50051", "tsp": "127.0.0.1:50054"}
PRICE = Money.parse("0.01 USD")  # so that no account runs dry
CARDS = ("approved", "approved-debit")

APPROVED = "00 approved"


async def main(asked: Namespace) -> int:
    """Pay for so long, and say what came of it."""
    outcomes: Counter[str] = Counter()
    times_ms: list[float] = []
    async with RemoteNetwork(ADDRESSES, asked.identities) as network:
        try:
            cards = [(await network.save_card(name, f"load-{name}")).id for name in CARDS]
        except Fault as fault:
            print(f"load: error: {fault}", file=sys.stderr)
            return 2
        cardholder, run, number = network.cardholder(), token_hex(4), count(1)
        until = time.monotonic() + asked.seconds

        async def buy(card: str) -> None:
            while time.monotonic() < until:
                began = time.monotonic()
                try:
                    answer = await cardholder.pay(card, PRICE, f"load-{run}-{next(number)}")
                    outcomes[APPROVED if answer.approved else f"{answer.response_code} {answer.notice}"] += 1
                except Fault as fault:
                    outcomes[fault.reason] += 1
                times_ms.append(1e3 * (time.monotonic() - began))

        async with asyncio.TaskGroup() as customers:
            for customer in range(asked.in_flight):
                customers.create_task(buy(cards[customer % len(cards)]))

    times_ms.sort()
    print(
        f"{asked.in_flight} at once for {asked.seconds} s: {len(times_ms) / asked.seconds:.0f} payments/s"
        f"  p50 {times_ms[len(times_ms) // 2]:.0f} ms  p99 {times_ms[len(times_ms) * 99 // 100]:.0f} ms"
    )
    for outcome, times in outcomes.most_common():
        print(f"{times:8} {outcome}")
    return 0 if set(outcomes) == {APPROVED} else 1


def arguments() -> Namespace:
    """What the command line says."""
    parser = ArgumentParser(description="A little load on a network that runs.")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--identities", type=Path, default=Path("/run/cardnet/identities"))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(arguments())))
