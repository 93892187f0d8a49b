"""The call that is being answered: who made it, until when, and in which trace. Outgoing calls inherit from it."""

import asyncio
import time
from contextvars import ContextVar
from dataclasses import dataclass
from typing import NamedTuple

from cardnet.errors import TimedOut


class TraceContext(NamedTuple):
    """A place in a trace: identifiers in lower-case hexadecimal (W3C Trace Context)."""

    trace_id: str
    span_id: str

    @property
    def traceparent(self) -> str:
        """The header that carries it to the next hop; always sampled."""
        return f"00-{self.trace_id}-{self.span_id}-01"


@dataclass(frozen=True, slots=True)
class Call:
    """What a servicer knows of the call besides its message."""

    caller: str
    deadline: float
    """On the monotonic clock, in seconds."""
    trace: TraceContext
    again: bool = False
    """Whether gRPC asks this again because a connection broke before it was answered: the same bytes, the same keys."""

    def remaining_s(self) -> float:
        """How long the caller still waits, in seconds; not below 0."""
        return max(0.0, self.deadline - time.monotonic())

    async def outlast(self) -> None:
        """Wait until the caller has given up, as one does who never answers."""
        await asyncio.sleep(self.remaining_s())
        raise TimedOut("NO_ANSWER", "the answer did not come in time")


current: ContextVar[Call | None] = ContextVar("cardnet_call", default=None)
"""The call that the running task answers; None where nobody called."""
