"""Who hangs up in the middle of an export has so much of it sent on as was taken, and nothing that was not searched."""

import asyncio
import threading
from collections.abc import Callable, Sequence

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData
from patience import AMPLE_S, ample
from payment_spans import Gathered

from cardnet.traces import collector as collector_module
from cardnet.traces.archive import AT_A_TIME
from cardnet.traces.carried import LONG_BYTES, told
from cardnet.traces.collector import Collector
from cardnet.v1.acquirer_pb2 import SubmitPaymentRequest
from cardnet.v1.payment_pb2 import MerchantData

PAN = "4111111111111111"
MANY = 6 * AT_A_TIME
HIDDEN = SubmitPaymentRequest(merchant=MerchantData(merchant_name=f"\x10{PAN}")).SerializeToString()
"""JSON writes the character before the number with digits, so that there seem to be too many."""


def export_of(traces: int) -> TracesData:
    """A service's spans, half of them in each of two scopes, each of a trace of its own and with a card number."""
    data = TracesData()
    scopes = [data.resource_spans.add().scope_spans.add() for _ in range(2)]
    for trace in range(1, traces + 1):
        span = scopes[trace > traces // 2].spans.add(trace_id=trace.to_bytes(16), span_id=b"12345678")
        span.name = "cardnet.v1.Acquirer/SubmitPayment"
        span.attributes.add(key="cardnet.request.step").value.string_value = "2"
        span.attributes.add(key="cardnet.request.message").value.bytes_value = HIDDEN
    return data


def spans_of(sent: Sequence[bytes]) -> list[Span]:
    data = TracesData.FromString(b"".join(sent))
    return [span for resource in data.resource_spans for scope in resource.scope_spans for span in scope.spans]


async def hung_up(taken: int) -> tuple[Collector, Gathered]:
    """A collector whose sender hung up once so many of its spans were taken, and who gets the spans from it."""
    onward = Gathered()
    collector = Collector([onward])  # type: ignore[list-item]
    exporting = asyncio.create_task(collector.export(export_of(MANY).SerializeToString()))
    async with ample():
        while len(collector.archive._traces) < taken:  # noqa: ASYNC110 - it tells of complete payments alone
            await asyncio.sleep(0)
    exporting.cancel()
    await asyncio.wait([exporting])
    assert exporting.cancelled()
    await asyncio.gather(*(outbox.drained() for outbox in collector._outboxes))
    return collector, onward


@pytest.mark.parametrize("taken", [1, MANY // 2 + 1], ids=["in the first scope", "in the second"])
async def test_what_was_taken_by_then_is_sent_on_and_no_more(taken: int) -> None:
    collector, onward = await hung_up(taken)
    kept = list(collector.archive._traces)
    assert taken <= len(kept) < MANY
    assert [span.trace_id.hex() for span in spans_of(onward.data)] == kept


async def test_no_card_number_is_sent_on_that_was_not_searched_for() -> None:
    _, onward = await hung_up(taken=1)
    sent_on = b"".join(onward.data)
    assert PAN.encode() not in sent_on and "••••1111".encode() in sent_on


def test_what_is_sent_on_is_searched_also_where_the_archive_did_not() -> None:
    sent_on = told(export_of(2))
    assert PAN.encode() not in sent_on and sent_on.count("••••1111".encode()) == 2


async def test_who_hangs_up_while_it_is_made_text_keeps_nothing_from_being_sent_on(monkeypatch) -> None:
    begun, free = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slow(work: Callable[[TracesData], bytes]) -> Callable[[TracesData], bytes]:
        def worked(data: TracesData) -> bytes:
            loop.call_soon_threadsafe(begun.set)
            free.wait(AMPLE_S)
            return work(data)

        return worked

    monkeypatch.setattr(collector_module, "told", slow(told))
    onward, data = Gathered(), export_of(AT_A_TIME)
    data.resource_spans[0].scope_spans[0].spans[0].name += "x" * LONG_BYTES  # so that it is done in a thread
    exporting = asyncio.create_task(Collector([onward]).export(data.SerializeToString()))  # type: ignore[list-item]
    async with ample():
        await begun.wait()
        exporting.cancel()
        await asyncio.wait([exporting])
        free.set()
        while not onward.data:  # noqa: ASYNC110 - a sink tells nobody
            await asyncio.sleep(0)
    assert exporting.cancelled() and len(spans_of(onward.data)) == AT_A_TIME
