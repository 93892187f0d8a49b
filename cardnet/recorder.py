"""Recording: each call leaves a span at both its ends.

On the way of a call, recording costs a tuple in a queue. Writing and sending happen afterwards and in batches; when
the queue is full a span is dropped and counted: payments never wait for telemetry.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from cardnet.outbox import Outbox, Sink
from cardnet.span import Ended, Writer

QUEUE_LENGTH = 8192
"""Spans kept until they are sent; more are dropped and counted."""

BATCH_LENGTH = 512
"""Spans sent at once, at the most."""

BATCH_DELAY_S = 0.05
"""How long spans are gathered before they are sent."""

BUSY_SPANS, BUSY_DELAY_S = 8, 0.25
"""With so many gathered at once, the next ones are gathered longer: each sending is a gRPC call like any payment's."""

CROWDED_SPANS, CROWDED_DELAY_S = 64, 0.5
"""The same once more, at a hundred authorisations a second: nobody waits for any one of them."""


class Records(Protocol):
    """Takes calls that have ended."""

    def record(self, ended: Ended) -> None:
        """Take one. Never waits."""
        ...


class Recorder:
    """Takes the spans of one service and sends them to its sinks."""

    def __init__(self, service: str, sinks: Sequence[Sink]) -> None:
        """sinks: the network's own collector first, for `dropped` is what the first did not get. None waits for
        another.
        """
        self.service = service
        self._outboxes = [Outbox(sink) for sink in sinks]
        self._writers = {sink.form: Writer(service, sink.form) for sink in sinks}
        self._queue: list[Ended] = []
        self._overflowed = 0

    @property
    def dropped(self) -> int:
        """How many spans did not reach the first sink."""
        return self._overflowed + (self._outboxes[0].lost if self._outboxes else 0)

    def record(self, ended: Ended) -> None:
        """Take a call that has ended. Never waits."""
        if len(self._queue) >= QUEUE_LENGTH:
            self._overflowed += 1
        elif self._outboxes:
            self._queue.append(ended)

    async def run(self) -> None:
        """Send what gathers, until cancelled."""
        delay_s = BATCH_DELAY_S
        while True:
            await asyncio.sleep(delay_s)
            delay_s = gathering_s(len(self._queue))
            await self._hand_over()

    async def flush(self) -> None:
        """Send what is there, and wait until it is there or lost."""
        await self._hand_over()
        await asyncio.gather(*(outbox.drained() for outbox in self._outboxes))

    async def _hand_over(self) -> None:
        while self._queue:
            batch = self._queue[:BATCH_LENGTH]
            del self._queue[:BATCH_LENGTH]
            spans = {form: writer.batch(batch, self.dropped) for form, writer in self._writers.items()}
            for outbox in self._outboxes:
                outbox.put(spans[outbox.form], len(batch))
            await asyncio.sleep(0)  # writing many takes long, and payments run on this loop


def gathering_s(gathered: int) -> float:
    """How long spans are gathered, in seconds, where so many were gathered last."""
    if gathered >= CROWDED_SPANS:
        return CROWDED_DELAY_S
    return BUSY_DELAY_S if gathered >= BUSY_SPANS else BATCH_DELAY_S
