"""Others' spans and traces may fill the archive, and leave room for payments all the same."""

from collections.abc import Sequence

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, TracesData
from payment_spans import number, paid

from cardnet.traces.archive import Archive
from cardnet.traces.kept import MOST_SPANS


def work(trace: int, sizes: Sequence[int] = (0,)) -> TracesData:
    """Spans of somebody else's program, of about so many bytes."""
    spans = [Span(trace_id=bytes.fromhex(number(trace)), span_id=b"12345678", name="SELECT") for _ in sizes]
    for span, size in zip(spans, sizes, strict=True):
        span.attributes.add(key="db.statement").value.string_value = "x" * size
    return TracesData(resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=spans)])])


@pytest.mark.parametrize(
    "sizes",
    [[0] * 2 * MOST_SPANS, [size for size in (50_000, 5_000, 500, 50, 0) for _ in range(30)]],
    ids=["many", "long"],
)
async def test_others_spans_leave_room_for_a_payments_own(sizes: Sequence[int], tmp_path) -> None:
    archive, again = Archive(), Archive()
    await archive.keep_in(tmp_path / "traces.db")
    await archive.take(work(1, sizes))
    left_out = archive.let_go
    await archive.take(await paid(1))
    await archive.close()
    await again.keep_in(tmp_path / "traces.db")
    for one in (archive, again):
        assert [(entry.outcome, entry.complete) for entry in one.entries()] == [("approved", True)]
        assert one.let_go == left_out > 0, "the others are counted, and once"
