"""Each receiver of spans has a way of its own: what one does not take is lost to that one, counted, and told once."""

import asyncio
import logging

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from patience import AMPLE_S, ample
from payment_spans import Gathered, checkout, number, paid

from cardnet import outbox
from cardnet.otlp import OtlpSink, receivers
from cardnet.outbox import Outbox, Sink
from cardnet.recorder import Recorder
from cardnet.traces.archive import AT_A_TIME
from cardnet.traces.collector import Collector


class Closed(OtlpSink):
    """A receiver that takes nothing."""

    async def export(self, spans: bytes) -> None:
        raise ConnectionError


class Hanging(OtlpSink):
    """A receiver that never answers, until it is let."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(endpoint)
        self.let, self.asked, self.came = asyncio.Event(), asyncio.Event(), list[TracesData]()

    async def export(self, spans: bytes) -> None:
        self.asked.set()
        await self.let.wait()
        self.came.append(TracesData.FromString(spans))


def traces(data: TracesData) -> list[str]:
    return [span.trace_id.hex() for one in data.resource_spans for span in one.scope_spans[0].spans]


async def test_one_that_hangs_keeps_nothing_from_the_others_and_ends_with_the_service(monkeypatch, caplog) -> None:
    monkeypatch.setattr(outbox, "LAST_S", 0.0)
    own, jaeger = Gathered(), Hanging("http://jaeger:4317")
    mine = Recorder("merchant", [own, jaeger])
    for trace in (1, 2, 3):
        mine.record(checkout(trace))
        await mine.flush()
    assert traces(TracesData.FromString(b"".join(own.data))) == [number(1), number(2), number(3)]
    assert (mine.dropped, mine._outboxes[1].lost) == (0, 3)


async def test_while_one_hangs_the_service_records_and_sends_on() -> None:
    own, jaeger = Gathered(), Hanging("jaeger:4317")
    mine = Recorder("merchant", [jaeger, own])
    running = asyncio.create_task(mine.run())
    for trace in (1, 2):
        mine.record(checkout(trace))
        async with asyncio.timeout(AMPLE_S):
            await jaeger.asked.wait()
            while len(own.data) < trace:  # noqa: ASYNC110 - a recorder tells nobody
                await asyncio.sleep(0)
    running.cancel()
    jaeger.let.set()
    await mine.flush()
    assert mine.dropped == 0


@pytest.mark.parametrize("closed_first", [True, False])
async def test_dropped_is_what_the_first_did_not_get(closed_first: bool, caplog) -> None:
    sinks: list[Sink] = [Gathered(), Closed("http://somebody:secret@tempo:4317")]
    mine = Recorder("merchant", sinks[::-1] if closed_first else sinks)
    for trace in (1, 2, 3):
        mine.record(checkout(trace))
        await mine.flush()
    assert mine.dropped == (3 if closed_first else 0)
    assert [one.getMessage() for one in caplog.records] == [
        "the receiver at tempo:4317 does not take all spans (ConnectionError): those are lost to it, and payments go on"
    ]


async def test_what_comes_while_one_is_behind_is_sent_together_and_in_order() -> None:
    slow = Hanging("tempo:4317")
    waiting = Outbox(slow)
    for trace in range(1, 6):
        waiting.put((await paid(trace)).SerializeToString(), 1)
    async with ample():
        await slow.asked.wait()
    slow.let.set()
    await waiting.drained()
    assert [name for data in slow.came for name in traces(data)] == [number(trace) for trace in range(1, 6)]
    assert len(slow.came) == 2
    assert waiting.lost == 0


async def test_so_much_waits_and_no_more(monkeypatch, caplog) -> None:
    batch = (await paid(1)).SerializeToString()
    monkeypatch.setattr(outbox, "MOST_WAITING_BYTES", 2 * len(batch))
    slow = Hanging("tempo:4317")
    waiting = Outbox(slow)
    for _ in range(5):
        waiting.put(batch, 7)
    assert waiting.lost == 3 * 7
    slow.let.set()
    await waiting.drained()
    waiting.put(batch, 7)
    await waiting.drained()
    assert (waiting.lost, sum(len(traces(data)) for data in slow.came)) == (3 * 7, 3)
    assert len([one for one in caplog.records if one.levelno == logging.WARNING]) == 1


async def test_the_collector_keeps_what_another_receiver_does_not_take_and_says_so(caplog) -> None:
    collector = Collector([Closed("tempo:4317")])
    for trace in (1, 2):
        await collector.export((await paid(trace)).SerializeToString())
    await collector.close()
    assert collector.archive.latest(10) == [number(2), number(1)]
    assert collector.archive.lost == 0
    assert [one.getMessage() for one in caplog.records if "the receiver at tempo:4317" in one.getMessage()]


async def test_what_is_listed_of_an_export_whose_sender_hangs_up_is_sent_on() -> None:
    onward, data = Gathered(), TracesData()
    collector = Collector([onward])  # type: ignore[list-item]
    for trace in range(1, 3 * AT_A_TIME):
        data.MergeFrom(await paid(trace))
    exporting = asyncio.create_task(collector.export(data.SerializeToString()))
    await asyncio.sleep(0)  # its first turn
    exporting.cancel()
    await asyncio.wait([exporting])
    await asyncio.gather(*(outbox.drained() for outbox in collector._outboxes))
    listed = {entry.trace_id for entry in collector.archive.entries()}
    assert exporting.cancelled() and 0 < len(listed) < AT_A_TIME
    assert listed <= {trace for sent_on in onward.data for trace in traces(TracesData.FromString(sent_on))}


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("", []),
        ("http://jaeger:4317", ["the receiver at jaeger:4317"]),
        ("jaeger:4317, https://tempo:443/,", ["the receiver at jaeger:4317", "the receiver at tempo:443"]),
    ],
)
async def test_a_setting_names_any_number_of_receivers(setting: str, named: list[str]) -> None:
    found = receivers(setting)
    assert list(map(str, found)) == named
    for one in found:
        await one.close()
