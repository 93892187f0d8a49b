"""Spans on their way to one receiver: in the order in which they came, several batches at once where it is behind."""

import asyncio
import logging
from collections import deque
from typing import Protocol
from weakref import WeakSet

from cardnet.span import Form

MOST_WAITING_BYTES = 8 * 1024 * 1024
"""What waits for a receiver at the most, some ten thousand spans; what comes while it is so far behind is lost."""

MOST_AT_ONCE_BYTES = 1024 * 1024
"""How much is sent at once, if no batch is longer: over gRPC a receiver takes 4 MiB unless it is told otherwise."""

LAST_S = 5.0
"""How long the last spans may take, in the end."""

log = logging.getLogger("cardnet")


class Sink(Protocol):
    """Where spans go: the bytes of a `TracesData`, which are those of an `ExportTraceServiceRequest`."""

    form: Form
    """How it wants the messages of steps."""

    async def export(self, spans: bytes) -> None: ...


_told: WeakSet[Sink] = WeakSet()
"""Those of whom it was said that they lose spans: services in one process have a receiver in common."""


class Outbox:
    """What waits for one receiver. Neither payments nor other receivers ever wait for it."""

    def __init__(self, sink: Sink) -> None:
        """sink: how the log calls it is its `str`."""
        self._sink = sink
        self.form = sink.form
        self._waiting: deque[tuple[bytes, int]] = deque()
        self._bytes = 0
        self._sending: asyncio.Task[None] | None = None
        self.lost = 0
        """Spans that it did not get."""

    def put(self, spans: bytes, count: int) -> None:
        """Have a batch sent. Never waits. count: how many spans it has."""
        if self._bytes + len(spans) > MOST_WAITING_BYTES:
            self._lose(count, "it is too far behind")
            return
        self._waiting.append((spans, count))
        self._bytes += len(spans)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send())

    async def drained(self) -> None:
        """Wait until all is sent; what takes too long is lost."""
        if self._sending is None:
            return
        _, late = await asyncio.wait((self._sending,), timeout=LAST_S)
        if late:
            self._sending.cancel()
            await asyncio.wait(late)

    async def _send(self) -> None:
        while self._waiting:
            spans, count = self._next()
            try:
                await self._sink.export(spans)
            except asyncio.CancelledError:
                self._lose(count + sum(left for _, left in self._waiting), "it is too slow to take the last ones")
                self._waiting.clear()
                raise
            except Exception as error:  # noqa: BLE001 - telemetry never disturbs payments, whatever it dies of
                self._lose(count, type(error).__name__)

    def _next(self) -> tuple[bytes, int]:
        """What is sent at once: messages of protobuf's one after the other are one, with all that is in them."""
        batches: list[bytes] = []
        size = count = 0
        while self._waiting and (not batches or size + len(self._waiting[0][0]) <= MOST_AT_ONCE_BYTES):
            spans, many = self._waiting.popleft()
            batches.append(spans)
            size, count = size + len(spans), count + many
        self._bytes -= size
        return b"".join(batches), count

    def _lose(self, count: int, why: str) -> None:
        """Count what is lost, and say so once: a receiver that is gone would be told of four times a second."""
        if self._sink not in _told:
            _told.add(self._sink)
            log.warning("%s does not take all spans (%s): those are lost to it, and payments go on", self._sink, why)
        self.lost += count
