"""What the collector tells of its traces over gRPC: one trace's spans, and each authorisation as it comes."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

import pytest
import pytest_asyncio
from patience import AMPLE_S, ample, patient
from payment_spans import number, paid

from cardnet.client import Channel
from cardnet.env import Env
from cardnet.errors import InvalidField, NotFound
from cardnet.testing import LocalNetwork
from cardnet.traces import archive as archives
from cardnet.traces import collector
from cardnet.traces.otlp_json import spans_of
from cardnet.v1.traces_pb2 import FollowTracesRequest, GetTraceRequest, ListTracesRequest
from cardnet.v1.traces_pb2_grpc import TracesStub
from cardnet.wire import GrpcLink

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network() -> AsyncIterator[LocalNetwork]:
    async with LocalNetwork(in_process=True, settings=patient()) as network:
        yield network


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def traces(network: LocalNetwork) -> AsyncIterator[TracesStub]:
    link = GrpcLink("collector", network.collector_address, network.presented("cardholder"))
    channel = Channel(link, Env.of("test"), timeout_s=25)
    yield TracesStub(channel)
    await channel.close()


class Followers(list):
    """Who is told of authorisations; says when somebody comes and goes."""

    def __init__(self) -> None:
        self.came, self.gone = asyncio.Queue(), asyncio.Queue()

    def append(self, told: object) -> None:
        super().append(told)
        self.came.put_nowait(told)

    def remove(self, told: object) -> None:
        super().remove(told)
        self.gone.put_nowait(told)


@pytest.fixture
def followers(network: LocalNetwork) -> Followers:
    followers = network.collector.archive.on_entry = Followers()
    return followers


@asynccontextmanager
async def following(traces: TracesStub, followers: Followers, filter_: str = "") -> AsyncIterator[Callable[[], object]]:
    """One who follows and has begun to; what is entered gives the next authorisation. Has hung up in the end."""
    stream = traces.FollowTraces(FollowTracesRequest(filter=filter_))
    first = [asyncio.ensure_future(anext(stream))]
    async with ample():
        await followers.came.get()
    async with aclosing(stream):
        yield lambda: first.pop() if first else anext(stream)
    async with asyncio.timeout(AMPLE_S):
        await followers.gone.get()


async def test_the_spans_of_a_trace_are_given_as_everybody_reads_them(
    network: LocalNetwork, traces: TracesStub
) -> None:
    payment = await network.checkout(await network.save_card("approved"), "1.00 USD")
    answer = await traces.GetSpans(GetTraceRequest(trace_id=payment.trace.trace_id))
    assert spans_of(answer.otlp_json.encode()) == network.collector.archive.spans(payment.trace.trace_id)
    names = {
        span["name"] for one in json.loads(answer.otlp_json)["resourceSpans"] for span in one["scopeSpans"][0]["spans"]
    }
    assert "cardnet.cde.v1.Issuer/Authorise" in names


async def test_of_a_trace_that_is_not_there_there_are_no_spans(
    traces: TracesStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "BEGINS_WITHIN_S", 0.0)
    with pytest.raises(NotFound):
        await traces.GetSpans(GetTraceRequest(trace_id="f" * 32))
    with pytest.raises(InvalidField):
        await traces.GetSpans(GetTraceRequest(trace_id="abc"))


async def test_a_follower_is_told_of_each_authorisation_from_now_on(
    network: LocalNetwork, traces: TracesStub, followers: Followers
) -> None:
    archive = network.collector.archive
    await archive.take(await paid(1))
    async with following(traces, followers) as the_next:
        for trace in (2, 3):
            await archive.take(await paid(trace))
            answer = await the_next()
            assert json.loads(answer.json) == json.loads(json.dumps(archive.entries()[0].document()))
            assert json.loads(answer.json)["trace_id"] == number(trace) and answer.left_out == 0


async def test_a_follower_is_told_of_what_it_asked_for_alone(
    network: LocalNetwork, traces: TracesStub, followers: Followers
) -> None:
    async with following(traces, followers, "outcome=refused") as the_next:
        for trace, code in ((10, "00"), (11, "51"), (12, "00"), (13, "05")):
            await network.collector.archive.take(await paid(trace, code=code))
        assert [json.loads((await the_next()).json)["trace_id"] for _ in range(2)] == [number(11), number(13)]


async def test_a_filter_that_is_none_is_refused(traces: TracesStub) -> None:
    with pytest.raises(InvalidField) as refused:
        await anext(traces.FollowTraces(FollowTracesRequest(filter="outcome=lost")))
    assert "approved" in str(refused.value)


async def test_a_slow_follower_is_told_how_many_were_left_out(network: LocalNetwork, monkeypatch) -> None:
    monkeypatch.setattr(collector, "MOST_BEHIND", 5)
    payments = [await paid(trace) for trace in range(20, 40)]  # the follower has no turn while they come
    service = collector.TracesService(network.collector.archive)
    # Not over a wire: what lies in its buffers is another number on each machine.
    stream = service.FollowTraces(FollowTracesRequest(), None)
    first = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    for payment in payments:
        await network.collector.archive.take(payment)
    async with aclosing(stream):
        told = [await first, *[await anext(stream) for _ in range(4)]]
    assert [one.left_out for one in told] == [15] * 5


async def test_a_follower_who_hangs_up_is_forgotten(
    network: LocalNetwork, traces: TracesStub, followers: Followers
) -> None:
    async with following(traces, followers) as the_next:
        await network.collector.archive.take(await paid(50))
        await the_next()
    assert followers == []


async def test_what_was_let_go_is_told_with_the_list(network: LocalNetwork, traces: TracesStub, monkeypatch) -> None:
    monkeypatch.setattr(network.collector.archive, "let_go", 7)
    assert (await traces.ListTraces(ListTracesRequest(limit=1))).dropped_spans == 7
