"""The rows of the table, each kept running by a child process of its own, and the load that each is put under."""

import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bench.child import Child
from bench.load import Purchases, Sample, measure
from bench.wire import UnaryClient
from cardnet.v1.merchant_pb2 import CheckoutResponse

R = TypeVar("R")

ROWS = {
    "five": "(a) five processes",
    "single": "(b) single process, gRPC front",
    "inside": "(c) single process, no front",
    "empty": "(d) empty chain of five",
}
"""What is measured: the name that bench/host.py knows, and the name in the table."""


@dataclass(frozen=True)
class Row:
    """A row that runs. services: the process ids of what is measured."""

    child: Child
    processes: dict[str, list[int]]
    purchases: Purchases
    client: UnaryClient[CheckoutResponse] | None

    @property
    def services(self) -> list[int]:
        return self.processes["services"]

    async def measure(self, in_flight: int, seconds: float) -> Sample:
        """One stretch of load. The driver is this process, except where the row has no front to be asked at."""
        if self.client:
            parties = {**self.processes, "driver": [os.getpid()]}
            return await measure(self.client.ask, self.purchases, in_flight, seconds, parties)
        self.child.tell(json.dumps({"in_flight": in_flight, "seconds": seconds}))
        return Sample(**json.loads(await self.child.hear()))


@asynccontextmanager
async def running(name: str) -> AsyncIterator[Row]:
    """A row from start to end. ChildEnded if it does not start."""
    child = await Child.start("bench.host", name)
    try:
        facts = json.loads(await child.hear())
        client = await _till(facts["address"], facts["identity"]) if facts["address"] else None
        yield Row(child, facts["processes"], Purchases(facts["cards"]), client)
        if client:
            client.close()
    finally:
        await child.end()


async def _till(address: str, folder: str) -> UnaryClient[CheckoutResponse]:
    identity = ("merchant", Path(folder)) if folder else None
    return await UnaryClient.connect(address, "/cardnet.v1.Merchant/Checkout", CheckoutResponse, identity=identity)


async def start_times(times: int) -> list[dict[str, float]]:
    """How long starting took, in seconds, each time in a fresh process with a fresh store."""
    found = []
    for _ in range(times):
        child = await Child.start("bench.host", "start")
        found.append(json.loads(await child.hear()))
        await child.end()
    return found


def turned(names: Sequence[R], by: int) -> list[R]:
    """Each round begins with another row, so that none always follows the same one."""
    start = by % len(names)
    return [*names[start:], *names[:start]]
