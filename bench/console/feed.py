"""A child process that sends spans as five busy services would: `python -m bench.console.feed COLLECTOR`.

It says "ready" on a line. Each line that it reads, "RATE SECONDS", it answers with one of JSON, a `Fed`, once all of
that has been taken.
"""

import asyncio
import json
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import grpc.aio
import uvloop
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, TracesData

from cardnet.identity import MERCHANT
from cardnet.otlp import EXPORT
from cardnet.recorder import BATCH_LENGTH, CROWDED_DELAY_S
from cardnet.testing import LocalNetwork
from cardnet.traces.collector import Collector
from cardnet.wire import CLAIM_KEY

CARDS = ("approved", "insufficient-funds")
"""Whose authorisations come, in turn: one is approved, the next is refused."""

PATIENCE_S = 60.0
"""How long a collector may take. A recorder gives up sooner and counts what is lost; here all of it must come."""

MOST_AHEAD = 1_000
"""By how many authorisations no service is ahead of another, whatever the rate: else the first of its spans would have
been let go for their age when the last of another's come."""

Export = Callable[[bytes], Awaitable[object]]


@dataclass(frozen=True)
class Fed:
    """What was sent. seconds: until the last of it had been taken."""

    approved: int
    refused: int
    spans: int
    seconds: float


@dataclass(frozen=True)
class Told:
    """What a service told of a real authorisation, to be sent again and again under other names."""

    resource: ResourceSpans
    trace_id: bytes

    def spans(self, trace_id: bytes) -> bytes:
        """Its spans, as bytes of a ScopeSpans without a scope."""
        spans = ScopeSpans(spans=self.resource.scope_spans[0].spans)
        return spans.SerializeToString().replace(self.trace_id, trace_id)


async def recorded() -> dict[str, list[Told]]:
    """One authorisation of each card, by the services that told of it: as they sent it, and not as it is read."""
    told: dict[str, list[Told]] = {}
    async with LocalNetwork(in_process=True, roster=False) as network:
        sent = _listen_in(network.collector)
        for card in CARDS:
            payment = await network.checkout(await network.save_card(card), "12.40 USD")
            trace_id = bytes.fromhex(payment.trace.trace_id)
            for service, resource in _of(trace_id, sent).items():
                told.setdefault(service, []).append(Told(resource, trace_id))
    return told


def _listen_in(collector: Collector) -> list[ResourceSpans]:
    """All that a collector is sent from now on."""
    sent: list[ResourceSpans] = []
    take = collector.export

    async def export(data: bytes, *, ours: bool = True) -> None:
        sent.extend(TracesData.FromString(data).resource_spans)
        await take(data, ours=ours)

    collector.export = export  # type: ignore[method-assign]
    return sent


def _of(trace_id: bytes, sent: Sequence[ResourceSpans]) -> dict[str, ResourceSpans]:
    """What each service sent of a trace, all together."""
    found: dict[str, ResourceSpans] = {}
    for resource in sent:
        scope = resource.scope_spans[0]
        if spans := [span for span in scope.spans if span.trace_id == trace_id]:
            service = resource.resource.attributes[0].value.string_value
            if service not in found:
                found[service] = ResourceSpans(resource=resource.resource, scope_spans=[ScopeSpans(scope=scope.scope)])
            found[service].scope_spans[0].spans.extend(spans)
    return found


async def feed(export: Export, told: Mapping[str, Sequence[Told]], rate: int, seconds: float) -> Fed:
    """Send so many authorisations a second; each service sends its own spans when its turn comes."""
    due = Due(rate, seconds)
    services = [Service(export, due, told[name], at / len(told)) for at, name in enumerate(told)]
    async with asyncio.TaskGroup() as sending:
        for service in services:
            sending.create_task(service.send())
        sending.create_task(asyncio.sleep(seconds))
    many = services[0].sent
    return Fed(many - many // 2, many // 2, sum(service.spans for service in services), due.now_s)


class Due:
    """Of how many authorisations it is time to tell: as many as the rate says, unless somebody is far behind."""

    def __init__(self, rate: int, seconds: float) -> None:
        self.rate, self.seconds = rate, seconds
        self.run = secrets.token_bytes(8)
        """What all trace identifiers of this time begin with."""
        self.services: list[Service] = []
        self._began = time.perf_counter()
        self._last: int | None = None

    @property
    def now_s(self) -> float:
        """Since the beginning."""
        return time.perf_counter() - self._began

    def upto(self) -> int:
        """So many. When the time is over it is the same number for all, so that each trace becomes complete."""
        if self._last is not None:
            return self._last
        sent, now_s = [service.sent for service in self.services], self.now_s
        due = max(*sent, min(round(self.rate * min(now_s, self.seconds)), min(sent) + MOST_AHEAD))
        if now_s >= self.seconds:
            self._last = due
        return due

    def is_over(self, sent: int) -> bool:
        """Whether one who has told of so many has told of all."""
        return sent == self._last


class Service:
    """One of those that send, so often as a recorder does that has much to send."""

    def __init__(self, export: Export, due: Due, told: Sequence[Told], offset: float) -> None:
        """offset: by what share of the time between two sendings it is later than the first."""
        self._export, self._due, self._told, self._offset = export, due, told, offset
        self._at_once = BATCH_LENGTH // len(told[0].resource.scope_spans[0].spans)
        self.sent = self.spans = 0
        due.services.append(self)

    async def send(self) -> None:
        """Send what it tells of each authorisation that is due, until the time is over and all have told of all."""
        turn = 0
        while not self._due.is_over(self.sent):
            turn += 1
            at_s = min((turn + self._offset) * CROWDED_DELAY_S, self._due.seconds)
            await asyncio.sleep(at_s - self._due.now_s)
            ahead = self._due.upto()
            while self.sent < ahead:
                numbers = range(self.sent, min(ahead, self.sent + self._at_once))
                await self._export(self._batch(numbers))
                self.sent = numbers.stop

    def _batch(self, numbers: range) -> bytes:
        resource, spans = self._told[0].resource, []
        for number in numbers:
            spans.append(self._told[number % len(self._told)].spans(self._due.run + number.to_bytes(8)))
        scope = ScopeSpans(scope=resource.scope_spans[0].scope)
        scope.MergeFromString(b"".join(spans))
        self.spans += len(scope.spans)
        sent = ResourceSpans(resource=resource.resource, scope_spans=[scope])
        return TracesData(resource_spans=[sent]).SerializeToString()


async def _run(collector: str) -> None:
    told = await recorded()
    async with grpc.aio.insecure_channel(collector) as channel:
        as_a_service = ((CLAIM_KEY, MERCHANT),)
        export: Export = partial(channel.unary_unary(EXPORT), timeout=PATIENCE_S, metadata=as_a_service)
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            rate, seconds = line.split()
            print(json.dumps(asdict(await feed(export, told, int(rate), float(seconds)))), flush=True)


if __name__ == "__main__":
    uvloop.run(_run(sys.argv[1]))
