"""The call that is being answered: who made it, until when, and in which trace. Outgoing calls inherit from it."""

import asyncio
import re
import time
from contextvars import ContextVar
from dataclasses import dataclass
from typing import NamedTuple, Self

from cardnet.errors import TimedOut

_TRACEPARENT = re.compile(
    r"(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?"
)
"""W3C Trace Context: version ff is none, identifiers of zeros alone are not either, and version 00 has 55 characters. A
later version begins in the same way, and may go on after a dash."""


class TraceContext(NamedTuple):
    """A place in a trace: identifiers in lower-case hexadecimal (W3C Trace Context)."""

    trace_id: str
    span_id: str

    @classmethod
    def read(cls, traceparent: str) -> Self | None:
        """The place that a header of this or a later version tells; None where it tells none."""
        found = _TRACEPARENT.fullmatch(traceparent)
        return cls(found[1], found[2]) if found else None

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
