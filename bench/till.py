"""The five services in one process, with recording or without, and who pays there."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from unittest.mock import patch

from bench.host import new_cards
from bench.load import NotApproved, Purchases
from cardnet.identity import PROGRAMS
from cardnet.otlp import CollectorSink
from cardnet.outbox import Sink
from cardnet.recorder import Recorder
from cardnet.span import Ended
from cardnet.testing import LocalNetwork
from cardnet.traces.collector import Collector
from cardnet.v1.merchant_pb2_grpc import MerchantStub
from cardnet.wire import GrpcLink

Authorisation = Sequence[tuple[str, Ended]]
"""What is recorded of one: which service took which call."""


class Away(Collector):
    """Sends all spans to another process: all five services by one connection, where five processes have five."""

    def __init__(self, sink: CollectorSink) -> None:
        super().__init__()
        self._sink = sink

    async def export(self, data: bytes, *, ours: bool = True) -> None:
        await self._sink.export(data)


class Bidden(Recorder):
    """Sends what it took when it is told to: a figure has all spans of its own payments, and none of others."""

    async def run(self) -> None:
        await asyncio.get_running_loop().create_future()

    def taken(self) -> list[Ended]:
        """What it took, which it forgets."""
        taken, self._queue = self._queue, []
        return taken


class Till:
    """A network of which one kind of recording is measured, and who pays there."""

    def __init__(self, network: LocalNetwork, recorders: Sequence[Bidden], cards: Sequence[str]) -> None:
        self._pay, self._purchases = MerchantStub(network.channel("merchant")).Checkout, Purchases(cards)
        self._recorders = recorders

    async def cpu_us(self, in_flight: int, payments: int) -> float:
        """This process's CPU time per authorisation, from the first payment until all spans have been sent."""
        began, turns = time.process_time_ns(), iter(range(payments))
        async with asyncio.TaskGroup() as customers:
            for _ in range(in_flight):
                customers.create_task(self._buy(turns))
        await asyncio.gather(*(recorder.flush() for recorder in self._recorders))
        return (time.process_time_ns() - began) / payments / 1e3

    async def _buy(self, turns: Iterator[int]) -> None:
        for _ in turns:
            answer = await self._pay(self._purchases.next())
            if not answer.approved:
                raise NotApproved(f"a payment was answered {answer.response_code}: {answer.notice}")

    async def recorded(self) -> Authorisation:
        """What the services record of one authorisation, which is not sent."""
        await self._buy(iter(range(1)))
        return [(recorder.service, ended) for recorder in self._recorders for ended in recorder.taken()]


async def opened(ends: AsyncExitStack, recording: str, collector: str) -> Till:
    """A till, open until the ends are reached. recording: "on" or "off"; collector: where spans go."""
    settings = {program: {"tracing": "1" if recording == "on" else "0"} for program in PROGRAMS}
    network = LocalNetwork(in_process=True, settings=settings)
    network.collector = Away(CollectorSink(GrpcLink("collector", collector, "merchant")))
    recorders: list[Bidden] = []

    def bidden(service: str, sinks: Sequence[Sink]) -> Recorder:
        recorders.append(Bidden(service, sinks))
        return recorders[-1]

    with patch("cardnet.service.Recorder", bidden):
        await ends.enter_async_context(network)
    till = Till(network, recorders, await new_cards(network))
    await till.recorded()  # the cards have left spans, too
    return till
