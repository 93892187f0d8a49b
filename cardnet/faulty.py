"""A link that is disturbed as the fault switches say. What it does is real: a lost answer is waited for as long."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from grpc import StatusCode

from cardnet.border import DELIVERED_BEFORE
from cardnet.errors import Fault, NotPermitted, Overloaded, Unauthenticated, Unavailable
from cardnet.faults import Reading, Switch
from cardnet.recorder import Records
from cardnet.span import Ended
from cardnet.status import fault_of
from cardnet.wire import Link, fault_on_the_wire

DID_NOTHING = (Overloaded, NotPermitted, Unauthenticated)
"""The faults that say that nothing was begun, and may be another's at each time."""

Ask = Callable[[float], Awaitable[bytes]]
"""One question, to be put with so many seconds to wait."""


class Faulty:
    """A link to a neighbour, and the switches of its hop. Streams pass undisturbed: no payment is one."""

    def __init__(self, link: Link, caller: str, neighbour: str, file: Path) -> None:
        """file: as `Faults` writes it."""
        self._link = link
        self._neighbour = neighbour
        self._file = file
        self._switches = Reading(file, f"{caller}-{neighbour}")
        self.disturbed: dict[str, str] = {}
        """What was done to the calls that are under way, by the span of each."""

    async def call(self, method: str, data: bytes, metadata: Mapping[str, str], timeout_s: float) -> bytes:
        delivery = _Delivery(self._link, method, data, metadata)
        ask: Ask = delivery.ask
        rpc = method.rpartition("/")[2]
        for switch in reversed(self._switches.now()):  # so that the one that was set first acts first
            if switch.call in ("", rpc):
                ask = partial(self._disturb, switch, ask, delivery)
        return await ask(timeout_s)

    def stream(
        self, method: str, data: bytes, metadata: Mapping[str, str], timeout_s: float | None
    ) -> AsyncGenerator[bytes, None]:
        return self._link.stream(method, data, metadata, timeout_s)

    async def close(self) -> None:
        await self._link.close()

    async def _disturb(self, switch: Switch, ask: Ask, delivery: "_Delivery", timeout_s: float) -> bytes:
        if not switch.claim(self._file):
            return await ask(timeout_s)
        if span_id := delivery.span_id:
            self.disturbed[span_id] = "; ".join(filter(None, (self.disturbed.get(span_id), switch.words)))
        if switch.kind == "error":
            raise fault_on_the_wire(delivery.method, StatusCode[switch.error], None, self._neighbour)
        loop = asyncio.get_running_loop()
        ends = loop.time() + timeout_s
        if switch.kind == "latency":
            await _pass(min(switch.latency_ms / 1000, timeout_s))
        elif switch.kind != "drop request":
            # Whatever the first delivery brings, its caller does not get to see it.
            with suppress(Fault):
                await ask(timeout_s)
        left_s = ends - loop.time()
        if switch.kind in ("drop request", "drop answer") or left_s <= 0:
            await _pass(max(0.0, left_s))
            raise fault_of(StatusCode.DEADLINE_EXCEEDED, None, self._neighbour)
        return await ask(left_s)


async def _pass(seconds: float) -> None:
    """Let time pass."""
    await asyncio.sleep(seconds)


class _Delivery:
    """One call, and how often it has been delivered: each time after the first it says that it is a repeat.

    A repeat that does not say so is taken for the first, and a fault by which it did nothing for nothing done at all.
    """

    def __init__(self, link: Link, method: str, data: bytes, metadata: Mapping[str, str]) -> None:
        self._link = link
        self.method = method
        self._data = data
        self._metadata = metadata
        self._delivered = 0
        self._perhaps = False
        """Whether somebody may have acted."""

    @property
    def span_id(self) -> str:
        """The caller's span of this call; empty where it has none."""
        place = self._metadata.get("traceparent", "")
        return place.split("-")[2] if place else ""

    async def ask(self, timeout_s: float) -> bytes:
        """Deliver it, once more if it was already."""
        metadata = {**self._metadata, DELIVERED_BEFORE: str(self._delivered)} if self._delivered else self._metadata
        before, self._perhaps = self._perhaps, True
        self._delivered += 1
        try:
            return await self._link.call(self.method, self._data, metadata, timeout_s)
        except DID_NOTHING as fault:
            self._perhaps = before
            if before:
                raise Unavailable(fault.reason, fault.sentence) from None
            raise


class Noting:
    """Writes into the span of a call what was done to it, and hands it on."""

    def __init__(self, recorder: Records, link: Faulty) -> None:
        self._recorder = recorder
        self._link = link

    def record(self, ended: Ended) -> None:
        """Take a call that has ended. Never waits."""
        words = self._link.disturbed.pop(ended.trace.span_id, "")
        self._recorder.record(ended._replace(disturbed=words) if words else ended)
