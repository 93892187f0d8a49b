"""The traces that are kept, within bounds: how many, and how much memory they take."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from cardnet.traces.kept import Kept, Sender

OTHERS = 10
"""Traces without a payment may take one of so many parts of the room where it is scarce: whoever sends them sends many.

They are not let go of before all payments: a caller's own spans may come before the payment that they belong to.
"""


class Shelf(Mapping[str, Kept]):
    """Traces by their identifiers, the oldest first."""

    def __init__(self, most: int, most_bytes: int) -> None:
        """most: how many traces. most_bytes: about how much memory they may take."""
        self._most, self._most_bytes = most, most_bytes
        self._traces: OrderedDict[str, Kept] = OrderedDict()
        self._others: OrderedDict[str, None] = OrderedDict()
        self._others_size = 0
        self.size = 0
        """About how many bytes of memory the traces take."""

    def __getitem__(self, trace_id: str) -> Kept:
        return self._traces[trace_id]

    def __contains__(self, trace_id: object) -> bool:
        return trace_id in self._traces

    def __iter__(self) -> Iterator[str]:
        return iter(self._traces)

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._traces)

    def __len__(self) -> int:
        return len(self._traces)

    def put(self, trace_id: str, sender: Sender, data: bytes, span: Span) -> bool:
        """Put a span where it belongs; `clear` is to follow. False where its trace has too many. data: it as bytes."""
        kept = self._traces.get(trace_id)
        if kept is None:
            kept = self._traces[trace_id] = Kept()
            self.size += kept.size
        elif trace_id in self._others:
            self._others_size -= kept.size
        size = kept.take(sender, data, span)
        self.size += size
        if kept.of_payment:
            self._others.pop(trace_id, None)
        else:
            self._others[trace_id] = None  # where it stood, if it is there already
            self._others_size += kept.size
        return size > 0

    def clear(self) -> Iterator[tuple[str, Kept]]:
        """Let go of traces until there is room, the oldest first; gives each of them.

        While those without a payment take more than their part, the oldest of them.
        """
        while len(self._traces) > self._most or self.size > self._most_bytes:
            many = len(self._others) > self._most // OTHERS or self._others_size > self._most_bytes // OTHERS
            trace_id = next(iter(self._others if many else self._traces))
            kept = self._traces.pop(trace_id)
            self.size -= kept.size
            if trace_id in self._others:
                del self._others[trace_id]
                self._others_size -= kept.size
            yield trace_id, kept
