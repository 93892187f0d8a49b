"""While many spans come, others have their turns: on the loop on which they are taken, payments may run."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData
from payment_spans import number

from cardnet.traces import archive as archive_module
from cardnet.traces import carried
from cardnet.traces.archive import AT_A_TIME, Archive
from cardnet.traces.collector import Collector
from cardnet.traces.spans import trace_of
from cardnet.traces.trace import Trace

MANY = 10 * AT_A_TIME


def spans(name: str, **known: int) -> TracesData:
    """Many spans, each of a trace of its own."""
    data = TracesData()
    scope = data.resource_spans.add().scope_spans.add()
    for trace in range(1, MANY + 1):
        scope.spans.add(trace_id=bytes.fromhex(number(trace)), span_id=b"12345678", name=name, **known)
    return data


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many traces were read for the list in each turn of the loop."""
    in_turns = [0]

    def counted(trace_id: str, of: Sequence[Span]) -> Trace:
        in_turns[-1] += 1
        return trace_of(trace_id, of)

    monkeypatch.setattr(archive_module, "trace_of", counted)
    return in_turns


@contextmanager
def turns_of_others(in_turns: list[int]) -> Iterator[None]:
    """Somebody else on the loop, who has a turn whenever it is given away."""

    async def others() -> None:
        while True:
            in_turns.append(0)
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    yield
    task.cancel()


async def test_traces_that_are_complete_at_once_are_read_in_turns(read: list[int]) -> None:
    archive = Archive()
    with turns_of_others(read):
        await archive.take(spans("cardnet.v1.Merchant/Checkout"))
    assert sum(read) == archive.seen == MANY
    assert max(read) <= AT_A_TIME


async def test_traces_that_are_late_are_read_in_turns(read: list[int], monkeypatch) -> None:
    monkeypatch.setattr(archive_module, "SETTLES_WITHIN_S", -1.0)
    archive, data = Archive(), spans("cardnet.v1.Acquirer/SubmitPayment", kind=Span.SPAN_KIND_SERVER)
    for span in data.resource_spans[0].scope_spans[0].spans:
        span.attributes.add(key="cardnet.request.step").value.string_value = "2"
    await archive.take(data)
    assert archive.seen == 0
    with turns_of_others(read):
        await archive._settle_late()
    assert sum(read) == archive.seen == MANY
    assert max(read) <= AT_A_TIME


async def test_who_hangs_up_while_traces_are_read_has_the_rest_of_them_read(read: list[int]) -> None:
    archive = Archive()
    taking = asyncio.create_task(archive.take(spans("cardnet.v1.Merchant/Checkout")))
    while not sum(read):  # noqa: ASYNC110 - an archive tells nobody how far it is
        await asyncio.sleep(0)
    taking.cancel()
    await asyncio.wait([taking])
    assert taking.cancelled() and sum(read) == archive.seen == len(archive.entries(limit=MANY)) == MANY


async def test_a_strangers_span_is_looked_at_closely_but_once(monkeypatch) -> None:
    looked_at: list[str] = []
    search = carried._search
    monkeypatch.setattr(carried, "_search", lambda span: looked_at.append(span.name) or search(span))
    data = spans("12345678901234")  # so many digits are worth a closer look
    collector = Collector()
    await collector.export(data.SerializeToString(), ours=False)
    assert len(looked_at) == MANY == len(collector.archive._traces)
