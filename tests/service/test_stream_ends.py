"""How a stream ends: when its caller goes, when its service stops, and how many there are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from patience import AMPLE_S
from stream_house import PAN, House, Source, answer, running, until, until_its_end

from cardnet import border as border_module
from cardnet.errors import Overloaded, Unavailable
from cardnet.v1.token_lifecycle_pb2_grpc import add_TokenNotificationsServicer_to_server
from cardnet.wire import GrpcLink, InProcessLink


@pytest.fixture(params=["inside", "grpc"])
async def house(request) -> AsyncIterator[House]:
    async with running(request.param) as house:
        yield house


# How it ends from the caller's side.


async def take_one_and_close(house):
    async with aclosing(house.follow()) as stream:
        assert (await anext(stream)).position == 1


async def take_one_and_break(house):
    async for notification in house.follow():
        assert notification.position == 1
        break


async def be_cancelled_while_waiting(house):
    task = asyncio.create_task(until_its_end(house.follow()))
    await until(lambda: house.source.waiting)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def lose_the_connection(house):
    stream = house.follow()
    await anext(stream)
    if isinstance(house.link, GrpcLink):
        await house.link.close()
    await stream.aclose()


@pytest.mark.parametrize(
    "leave", [take_one_and_close, take_one_and_break, be_cancelled_while_waiting, lose_the_connection]
)
async def test_the_servicer_stops_and_cleans_up_when_its_caller_has_gone(house, leave):
    house.source.script = [answer(1)]
    await leave(house)
    async with asyncio.timeout(AMPLE_S):
        await house.source.cleaned_up.wait()
    await until(lambda: not house.border._streams)


async def test_a_servicer_whose_caller_goes_in_the_middle_of_much_stops_too(house, caplog):
    house.source.script = [answer(n) for n in range(1, 20_000)]
    async with aclosing(house.follow()) as stream:
        await anext(stream)
    async with asyncio.timeout(AMPLE_S):
        await house.source.cleaned_up.wait()
    assert house.source.given < 19_999
    assert not caplog.text


async def test_a_servicer_does_not_run_ahead_of_a_caller_who_takes_its_time(house):
    note = "n" * 100
    token = answer(1).token
    token.token_assurance_data = note
    house.source.script = [answer(1, token=token)] * 200_000
    async with aclosing(house.follow()) as stream:
        await anext(stream)
        for _ in range(2_000):  # many turns of the loop, in which it could
            await asyncio.sleep(0)
        assert house.source.given < 20_000


async def test_what_cannot_be_cleaned_up_is_logged_and_told_to_nobody(caplog):
    class Untidy(Source):
        async def FollowTokens(self, request, call):
            try:
                yield answer(1)
            finally:
                raise ValueError(PAN)

    house = House()
    add_TokenNotificationsServicer_to_server(Untidy(), house.border)
    async with aclosing(house.follow()) as stream:
        await anext(stream)
    assert "did not clean up behind itself: ValueError" in caplog.text
    assert PAN not in caplog.text


# How it ends from the service's side.


async def test_a_stopping_service_ends_its_streams_and_takes_no_more(house):
    house.source.script = [answer(1)]
    following = asyncio.create_task(until_its_end(house.follow()))
    await until(lambda: house.source.waiting)
    async with asyncio.timeout(AMPLE_S):
        await house.border.drain()
        positions, told = await following
    assert (positions, type(told), told.reason) == ([1], Unavailable, "SERVICE_STOPPING")
    assert house.source.cleaned_up.is_set()
    assert (await until_its_end(house.follow()))[1].reason == "SERVICE_STOPPING"


async def test_a_stream_that_nobody_asks_does_not_hold_a_stopping_service_up(house):
    house.source.script = [answer(1), answer(2)]
    async with aclosing(house.follow()) as stream:
        await anext(stream)
        async with asyncio.timeout(AMPLE_S):
            await house.border.drain()
        if isinstance(house.link, InProcessLink):
            with pytest.raises(Unavailable, match="is being stopped"):
                await anext(stream)


async def test_a_caller_who_is_cancelled_while_the_service_stops_is_cancelled(house):
    house.source.script = [answer(1)]
    following = asyncio.create_task(until_its_end(house.follow()))
    await until(lambda: house.source.waiting)
    following.cancel()
    house.border.stop_streams()
    with pytest.raises(asyncio.CancelledError):
        await following


async def test_only_so_many_streams_are_open_at_once(house, monkeypatch):
    monkeypatch.setattr(border_module, "MAX_STREAMS", 3)
    house.source.script = [answer(1)]
    streams = [house.follow() for _ in range(3)]
    for stream in streams:
        await anext(stream)
    positions, told = await until_its_end(house.follow())
    assert (positions, type(told)) == ([], Overloaded)
    await streams.pop().aclose()
    await until(lambda: len(house.border._streams) < 3)
    async with aclosing(house.follow()) as stream:
        assert (await anext(stream)).position == 1
    for stream in streams:
        await stream.aclose()
