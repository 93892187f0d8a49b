"""The traces that are kept, within bounds: how many, and how much memory they take."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from cardnet.traces.kept import Kept, Sender


class Shelf(Mapping[str, Kept]):
    """Traces by their identifiers, the oldest first."""

    def __init__(self, most: int, most_bytes: int) -> None:
        """most: how many traces. most_bytes: about how much memory they may take."""
        self._most, self._most_bytes = most, most_bytes
        self._traces: OrderedDict[str, Kept] = OrderedDict()
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
        size = kept.take(sender, data, span)
        self.size += size
        return size > 0

    def clear(self) -> Iterator[tuple[str, Kept]]:
        """Let go of traces until there is room; gives each of them."""
        while len(self._traces) > self._most or self.size > self._most_bytes:
            trace_id, kept = self._traces.popitem(last=False)
            self.size -= kept.size
            yield trace_id, kept
