"""The archive keeps the latest traces within bounds, and counts what it lets go."""

import asyncio

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, TracesData
from patience import AMPLE_S
from payment_spans import checkout, number, paid, sent, submission

from cardnet.identity import PROGRAMS
from cardnet.traces import archive as archive_module
from cardnet.traces.archive import AT_A_TIME, SETTLES_AGAIN_S, SETTLES_WITHIN_S, Archive
from cardnet.traces.dropped import MOST_DROPPED
from cardnet.traces.entry import Entry
from cardnet.traces.kept import MOST_FRAME_BYTES, MOST_SPANS, MOST_TRACE_BYTES
from cardnet.traces.spans import trace_of
from cardnet.traces.trace import Trace


def of(service: str, *spans: Span, dropped: int = 0) -> TracesData:
    resource = ResourceSpans(scope_spans=[ScopeSpans(spans=spans)])
    resource.resource.attributes.add(key="service.name").value.string_value = service
    if dropped:
        resource.resource.attributes.add(key="cardnet.dropped_spans").value.int_value = dropped
    return TracesData(resource_spans=[resource])


def span(trace: int, name: str = "cardnet.v1.Merchant/Checkout", size: int = 0, **known: object) -> Span:
    made = Span(trace_id=bytes.fromhex(number(trace)), span_id=b"12345678", name=name, **known)
    if size:
        made.attributes.add(key="long").value.string_value = "x" * size
    return made


async def test_the_oldest_trace_goes_first_and_its_spans_are_counted() -> None:
    archive = Archive(kept=2)
    for trace in (1, 2, 3):
        await archive.take(await paid(trace))
    assert archive.latest(10) == [number(3), number(2)]
    assert [entry.trace_id for entry in archive.entries()] == [number(3), number(2)]
    assert (archive.evicted, archive.let_go, archive.dropped, archive.seen) == (1, 1, 1, 3)
    assert archive.outcomes == {"approved": 3}


async def test_traces_take_so_much_memory_and_no_more() -> None:
    archive = Archive(most_bytes=100_000)
    for trace in range(1, 60):
        await archive.take(of("merchant", span(trace, size=5_000)))
    kept = archive.latest(100)
    assert 10 <= len(kept) < 20 and kept[0] == number(59)
    assert archive.size <= 100_000
    assert archive.evicted == archive.let_go == 59 - len(kept)


async def test_a_trace_that_is_too_large_by_itself_is_let_go_and_leaves_nothing() -> None:
    archive = Archive(most_bytes=100_000)
    await archive.take(of("merchant", span(1, size=200_000)))
    assert archive.latest(10) == [] and archive.size == 0 and archive.dropped == 1


async def test_a_trace_has_so_many_spans_and_no_more() -> None:
    archive = Archive()
    await archive.take(of("merchant", *(span(1) for _ in range(MOST_SPANS + 7))))
    assert len(archive.spans(number(1)).resource_spans[0].scope_spans[0].spans) == MOST_SPANS
    assert archive.dropped == 7


async def test_what_a_networks_own_services_say_that_they_dropped_is_believed_within_reason() -> None:
    archive = Archive()
    for name in (*PROGRAMS, "somebody", "n" * 100_000):
        await archive.take(of(name, span(1), dropped=2**62))
        await archive.take(of(name, span(1), dropped=-5))
    assert archive.dropped_by == dict.fromkeys(PROGRAMS, MOST_DROPPED)
    assert archive.dropped < 2**63


@pytest.mark.parametrize(
    ("said", "sum_"),
    [((3, 5, 5, 9), 9), ((7, 2, 3), 10), ((5, 3, 5, 3, 6, 5, 6), 11)],
    ids=["one", "one that was started again", "two instances"],
)
async def test_what_a_service_dropped_before_it_was_started_again_is_added(said, sum_) -> None:
    archive = Archive()
    for count in said:
        await archive.take(of("issuer", span(1), dropped=count))
    assert archive.dropped_by == {"issuer": sum_}


async def test_spans_are_given_as_they_came() -> None:
    archive, data = Archive(), await sent("acquirer", [submission(1, server=True)])
    data.resource_spans[0].schema_url = "https://example.org/schema"
    data.resource_spans[0].scope_spans[0].spans[0].trace_state = "vendor=1"
    await archive.take(data)
    assert archive.spans(number(1)) == data


async def test_a_resource_that_is_too_long_is_left_out_and_its_spans_are_kept() -> None:
    archive, data = Archive(), of("x" * MOST_FRAME_BYTES, span(1))
    await archive.take(data)
    (resource,) = archive.spans(number(1)).resource_spans
    assert not resource.resource.attributes and len(resource.scope_spans[0].spans) == 1


async def test_a_call_that_was_made_twice_is_complete_and_lacks_nothing() -> None:
    archive = Archive()
    await archive.take(await sent("merchant", [submission(1, server=False), checkout(1)]))
    assert archive.entries() == []
    twice = [submission(1, server=True), submission(1, server=True, span="00000000000000b9")]
    await archive.take(await sent("acquirer", twice))
    (entry,) = archive.entries()
    assert entry.complete and archive.find_now(number(1)).missing == []


async def test_a_caller_of_another_system_does_not_keep_a_trace_waiting() -> None:
    archive = Archive()
    await archive.take(of("somebody", span(1, "SELECT", kind=Span.SPAN_KIND_CLIENT)))
    await archive.take(await paid(1))
    assert [entry.complete for entry in archive.entries()] == [True]


async def test_the_callers_own_record_of_a_checkout_is_not_the_merchants() -> None:
    archive = Archive()
    await archive.take(of("a test", span(1, "/cardnet.v1.Merchant/Checkout", kind=Span.SPAN_KIND_CLIENT)))
    assert archive.entries() == [] and "merchant" in archive.find_now(number(1)).missing[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"trace_id": b""},
        {"trace_id": b"x" * 17},
        {"trace_id": b"\0" * 16},
        {"span_id": b""},
        {"span_id": b"123456789"},
        {"span_id": b"\0" * 8},
        {"parent_span_id": b"123456789"},
    ],
    ids=repr,
)
async def test_a_span_whose_identifiers_are_not_otlps_is_not_kept(wrong: dict[str, bytes]) -> None:
    archive, made = Archive(), span(1)
    for field, value in wrong.items():
        setattr(made, field, value)
    await archive.take(of("merchant", made))
    assert archive.latest(10) == []


async def test_a_bug_in_one_round_of_settling_ends_none_of_the_next(monkeypatch, caplog) -> None:
    monkeypatch.setattr(archive_module, "SETTLES_WITHIN_S", 0.0)
    archive, settled = Archive(), asyncio.Queue[str]()

    def told(entry: Entry) -> None:
        settled.put_nowait(entry.trace_id)
        if entry.trace_id != number(3):
            raise ZeroDivisionError(entry.trace_id)

    archive.on_entry.append(told)
    for trace in (1, 2, 3):
        await archive.take(await sent("merchant", [submission(trace, server=False)]))
    running = asyncio.create_task(archive.run())
    async with asyncio.timeout(AMPLE_S):
        assert [await settled.get() for _ in range(3)] == [number(1), number(2), number(3)]
    assert not running.done()
    running.cancel()
    (record,) = caplog.records
    assert "ZeroDivisionError at told:" in record.getMessage()
    assert number(1) not in caplog.text


@pytest.mark.parametrize("name", ["grpc.health.v1.Health/Check", "opentelemetry.proto.nothing/Export", "/", "a/b/c"])
async def test_a_span_that_claims_a_step_of_a_foreign_call_keeps_no_payment_out_of_the_list(name: str) -> None:
    archive, foreign = Archive(), span(1, name, kind=Span.SPAN_KIND_SERVER)
    foreign.attributes.add(key="cardnet.request.step").value.string_value = "4"
    await archive.take(of("somebody", foreign))
    await archive.take(await paid(1))
    await archive.take(await paid(2))
    assert [entry.trace_id for entry in archive.entries()] == [number(2), number(1)]


async def test_a_trace_that_cannot_be_read_is_told_once_and_keeps_no_other_out(monkeypatch, caplog, tmp_path) -> None:
    def breaks(trace_id: str, spans: object) -> Trace:
        if trace_id == number(1):
            raise RuntimeError("4111111111111111")
        return trace_of(trace_id, spans)

    monkeypatch.setattr("cardnet.traces.archive.trace_of", breaks)
    archive, again = Archive(), Archive()
    await archive.keep_in(tmp_path / "traces.db")
    for trace in (1, 2, 1, 3):
        await archive.take(await paid(trace))
    await archive.close()
    await again.keep_in(tmp_path / "traces.db")
    for one in (archive, again):
        assert [entry.trace_id for entry in one.entries()] == [number(3), number(2)]
    assert [record.getMessage().partition(" at ")[0] for record in caplog.records] == [
        "a trace cannot be read and is left out: RuntimeError"
    ] * 2


async def test_an_observer_that_fails_costs_no_trace(caplog) -> None:
    archive = Archive()
    archive.on_span.append(lambda service, span: 1 / 0)
    archive.on_entry.append(lambda entry: 1 / 0)
    await archive.take(await paid(1))
    assert len(archive.entries()) == 1 and caplog.text.count("ZeroDivisionError") == 1


@pytest.mark.parametrize("what", [b"\x0a\x00" * 20_000, TracesData(resource_spans=[ResourceSpans()]), b"span"])
async def test_what_is_empty_gives_others_their_turn_too(what: object) -> None:
    if what == b"span":
        data = of("somebody", *(Span() for _ in range(20_000)))
    elif isinstance(what, bytes):
        data = TracesData.FromString(what)
    else:
        data = TracesData(resource_spans=[ResourceSpans(scope_spans=[ScopeSpans() for _ in range(20_000)])])
    turns = 0

    async def counts() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(counts())
    await Archive().take(data)
    counting.cancel()
    assert turns >= 20_000 // AT_A_TIME - 5


async def test_one_trace_takes_so_much_memory_and_no_more() -> None:
    archive = Archive()
    for _ in range(30):
        await archive.take(of("somebody", span(1, size=100_000)))
    assert archive.size <= MOST_TRACE_BYTES
    assert archive.dropped == 20


async def test_a_trace_in_the_list_is_read_again_at_most_four_times_a_second(monkeypatch) -> None:
    now, read = 0.0, 0

    def counted(trace_id: str, spans: object) -> Trace:
        nonlocal read
        read += 1
        return trace_of(trace_id, spans)

    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    monkeypatch.setattr("cardnet.traces.archive.trace_of", counted)
    archive = Archive()
    for _ in range(40):
        await archive.take(await paid(1))
    assert read == 1 and list(archive._unsettled) == [number(1)]
    due = archive._unsettled[number(1)] + SETTLES_WITHIN_S
    assert due == SETTLES_AGAIN_S, "what comes in between does not put it off"
    now = 0.3
    await archive.take(await paid(1))
    assert read == 2 and not archive._unsettled


async def test_what_was_kept_of_an_export_whose_sender_hangs_up_stands_in_the_list() -> None:
    archive, data = Archive(), TracesData()
    for trace in range(1, 3 * AT_A_TIME):
        data.MergeFrom(await paid(trace))
    taking = asyncio.create_task(archive.take(data))
    await asyncio.sleep(0)  # its first turn
    taking.cancel()
    await asyncio.wait([taking])
    kept = archive.latest(3 * AT_A_TIME)
    assert taking.cancelled() and 0 < len(kept) < AT_A_TIME and [one.trace_id for one in archive.entries()] == kept


async def test_who_waits_for_a_trace_is_told_of_it_also_when_its_sender_hangs_up() -> None:
    archive, data = Archive(), await sent("acquirer", [submission(1, server=True)])
    await archive.take(await sent("merchant", [submission(1, server=False), checkout(1)]))
    waiting = asyncio.create_task(archive.find(number(1), 2 * AMPLE_S))
    data.MergeFrom(of("somebody", *(span(2) for _ in range(3 * AT_A_TIME))))
    taking = asyncio.create_task(archive.take(data))
    await asyncio.sleep(0)  # its first turn
    taking.cancel()
    await asyncio.wait([taking])
    async with asyncio.timeout(AMPLE_S):
        found = await waiting
    assert taking.cancelled() and not found.missing


async def test_what_a_full_trace_lets_go_has_nobody_read_it_again(monkeypatch) -> None:
    archive = Archive()
    await archive.take(of("somebody", *(span(1) for _ in range(MOST_SPANS))))
    monkeypatch.setattr(Archive, "_look_at", None)
    await archive.take(of("somebody", span(1)))
    assert archive.let_go == 1
