"""Others' spans and traces may fill the archive, and leave room for payments all the same."""

from collections.abc import Sequence

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, TracesData
from payment_spans import number, paid

from cardnet.cli.trace import _show_latest
from cardnet.errors import Fault
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


MOST = 20


async def test_others_traces_drive_out_no_payments_but_a_tenth(tmp_path) -> None:
    archive, again = Archive(kept=MOST), Archive(kept=MOST)
    await archive.keep_in(tmp_path / "traces.db")
    for trace in range(1, MOST + 1):
        await archive.take(await paid(trace))
    for trace in range(100, 100 + 5 * MOST):
        await archive.take(work(trace))
    await archive.close()
    await again.keep_in(tmp_path / "traces.db")
    payments = [number(trace) for trace in range(MOST, 2, -1)]
    for one in (archive, again):
        assert one.latest(MOST) == [entry.trace_id for entry in one.entries()] == payments
        assert list(one._traces)[-2:] == [number(198), number(199)] and one.evicted == 5 * MOST


async def test_others_traces_that_are_large_drive_out_no_payments() -> None:
    archive = Archive(most_bytes=1_000_000)
    for trace in range(1, 100):
        await archive.take(await paid(trace))
    for trace in range(100, 200):
        await archive.take(work(trace, [90_000]))
    assert len(archive.latest(100)) == 99 and archive.size <= 1_000_000


async def test_others_traces_have_all_the_room_that_nobody_needs() -> None:
    archive = Archive(kept=MOST)
    for trace in range(100, 100 + MOST):
        await archive.take(work(trace))
    assert len(archive._traces) == MOST
    for trace in range(1, 6):
        await archive.take(await paid(trace))
    assert len(archive._traces) == MOST and len(archive.latest(MOST)) == 5 and archive.evicted == 5


async def test_what_a_caller_sent_before_it_paid_is_kept_where_payments_fill_the_room() -> None:
    archive = Archive(kept=MOST)
    for trace in range(1, MOST + 1):
        await archive.take(await paid(trace))
    await archive.take(work(50))
    await archive.take(await paid(50))
    assert archive.latest(1) == [number(50)] and len(archive._traces[number(50)].spans) == 2
    for trace in range(60, 60 + 5 * MOST):
        await archive.take(work(trace))
    assert archive.latest(1) == [number(50)], "it is a payment's now"


async def test_what_is_let_go_leaves_nothing_of_its_size() -> None:
    archive = Archive(kept=MOST)
    for trace in range(1, 5 * MOST):
        await archive.take(work(trace, [100, 200]))
        await archive.take(work(trace - trace % 3, [300]))
        if trace % 4 == 0:
            await archive.take(await paid(trace))
    kept = archive._traces
    others = [one for one in kept.values() if not one.of_payment]
    assert archive.size == sum(one.size for one in kept.values())
    assert (kept._others_size, len(kept._others)) == (sum(one.size for one in others), len(others))


def test_where_the_list_is_empty_nobody_says_that_there_never_was_a_payment() -> None:
    with pytest.raises(Fault, match="no authorisation is kept; make one"):
        _show_latest([], json_=False)
