"""Streams through the border: what every call passes, what is told and recorded, over both wires alike."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress

import pytest
from patience import AMPLE_S
from stream_house import ASKED, FOLLOW, PAN, House, Spans, answer, running, until, until_its_end
from tap import Tap

from cardnet.call import Call, TraceContext, current
from cardnet.errors import (
    Fault,
    InvalidField,
    KeyReused,
    Malformed,
    NotFound,
    NotPermitted,
    TimedOut,
    Unauthenticated,
    Unavailable,
)
from cardnet.recorder import Recorder
from cardnet.v1.token_lifecycle_pb2 import FollowTokensRequest, TokenNotification
from cardnet.wire import GrpcLink


@pytest.fixture(params=["inside", "grpc"])
async def house(request) -> AsyncIterator[House]:
    async with running(request.param) as house:
        yield house


async def test_answers_come_in_order_and_the_stream_ends_when_the_servicer_does(house):
    house.source.script, house.source.ends = [answer(n) for n in range(1, 500)], True
    assert await until_its_end(house.follow()) == (list(range(1, 500)), None)
    assert house.source.cleaned_up.is_set()


FAULTS = [
    Unavailable("VAULT_CONTENDED", "the token is being changed by others at this moment; ask again"),
    NotPermitted("REQUESTOR_NOT_REGISTERED", "the Token Requestor ID is not registered to the caller"),
    Unauthenticated("IDENTITY_UNKNOWN", "the certificate names nobody of this network"),
    NotFound("TRACE_UNKNOWN", "there is no such thing"),
    KeyReused("KEY_REUSED", "this key came before"),
    Malformed("the bytes are no message", "UNREADABLE_MESSAGE"),
    InvalidField("after_position", "must not be beyond the last"),
]


@pytest.mark.parametrize("before", [0, 1, 3])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
async def test_a_fault_arrives_as_the_same_fault_over_both_links(house, fault, before):
    house.source.script = [*(answer(n) for n in range(1, before + 1)), fault]
    positions, told = await until_its_end(house.follow())
    assert positions == list(range(1, before + 1))
    assert (type(told), told.reason, told.sentence) == (type(fault), fault.reason, fault.sentence)
    if isinstance(fault, InvalidField):
        assert (told.field, told.rule) == (fault.field, fault.rule)


async def test_a_bug_is_told_by_a_reference_and_by_nothing_else(house, caplog):
    house.source.script = [answer(1), ValueError(f"bad pan {PAN}")]
    with caplog.at_level(logging.DEBUG):
        positions, told = await until_its_end(house.follow())
    assert (positions, type(told), told.reason) == ([1], Unavailable, "NEIGHBOUR_UNAVAILABLE")
    assert "internal error" in caplog.text
    assert PAN not in caplog.text + str(told)


# Who calls, and until when.


async def test_a_stream_is_for_those_alone_who_may_call_it(house):
    for caller, kind in (("", Unauthenticated), ("stranger", NotPermitted), ("network", NotPermitted)):
        positions, told = await until_its_end(house.stub(caller).FollowTokens(ASKED))
        assert (positions, type(told)) == ([], kind), caller
    assert not house.source.began.is_set()


async def test_a_request_is_held_to_its_rules(house):
    negative = FollowTokensRequest(token_requestor_id="00000000001", after_position=-1)
    for request, field in ((FollowTokensRequest(), "token_requestor_id"), (negative, "after_position")):
        positions, told = await until_its_end(house.stub().FollowTokens(request))
        assert (positions, told.field) == ([], field)
    with pytest.raises(Malformed, match="are no cardnet.v1.FollowTokensRequest"):
        await anext(house.link.stream(FOLLOW, b"\xff", {}, None))


async def test_a_stream_needs_no_deadline_and_takes_one_of_at_most_a_day(house):
    house.source.script, house.source.ends = [answer(1)], True
    for timeout_s in (None, 30.0, 31.5, 86_400.0):
        assert await until_its_end(house.follow(timeout=timeout_s)) == ([1], None)
    _, told = await until_its_end(house.follow(timeout=90_000.0))
    assert (type(told), told.reason) == (Malformed, "DEADLINE_TOO_LONG")
    assert "24 h" in told.sentence


async def test_a_deadline_ends_the_stream_and_its_servicer(house):
    house.source.script = [answer(1)]
    async with aclosing(house.follow()) as stream:
        await anext(stream)  # the connection stands
    house.source.began.clear()
    house.source.cleaned_up.clear()
    _, told = await until_its_end(house.follow(timeout=0.3))
    assert type(told) is TimedOut
    await until(lambda: house.source.cleaned_up.is_set() or not house.source.began.is_set())


async def test_a_stream_within_a_call_ends_with_that_call(house):
    loop = asyncio.get_running_loop()
    place = TraceContext("1" * 32, "2" * 16)
    for left_s in (-1.0, 0.3):
        token = current.set(Call("merchant", loop.time() + left_s, place))
        positions, told = await until_its_end(house.follow(timeout=60))
        assert (positions, type(told)) == ([], TimedOut)
        current.reset(token)


# What is recorded, and whose context it is.


async def test_a_stream_leaves_one_span_with_its_request_and_how_many_answers_there_were(house):
    house.source.script, house.source.ends = [answer(1), answer(2)], True
    await until_its_end(house.follow())
    await house.recorder.flush()
    recorded = house.sink.only()
    assert recorded["rpc.method"] == "cardnet.v1.TokenNotifications/FollowTokens"
    assert recorded["rpc.response.status_code"] == "OK"
    assert recorded["cardnet.response.count"] == "2"
    assert not any(key.startswith("cardnet.response.f") for key in recorded)


async def test_the_span_says_how_a_stream_ended(house):
    for script, status in (([answer(1)], "CANCELLED"), ([FAULTS[1]], "PERMISSION_DENIED"), ([KeyError()], "INTERNAL")):
        house.source.script = script
        house.sink.spans.clear()
        async with aclosing(house.follow()) as stream:
            with suppress(Fault):
                await anext(stream)
        await until(lambda: house.recorder._queue)
        await house.recorder.flush()
        assert house.sink.only()["rpc.response.status_code"] == status


async def test_the_caller_keeps_its_own_context_and_the_servicer_has_the_call(house):
    sink = Spans()
    recorder = Recorder("merchant", [sink])
    place = TraceContext("1" * 32, "2" * 16)
    house.source.script, house.source.ends = [answer(1), answer(2)], True
    token = current.set(mine := Call("anyone", asyncio.get_running_loop().time() + 30, place))
    async for _ in house.stub(recorder=recorder).FollowTokens(ASKED):
        assert current.get() is mine
    current.reset(token)

    served = house.source.seen[0]
    assert len(house.source.seen) == 4
    assert all(call is served for call in house.source.seen)
    assert (served.caller, served.trace.trace_id) == ("merchant", place.trace_id)
    await recorder.flush()
    (span,) = sink.spans
    assert span.parent_span_id.hex() == place.span_id
    assert sink.only()["cardnet.response.count"] == "2"


async def test_an_answer_that_breaks_its_rules_counts_as_none_and_ends_the_stream(house):
    house.source.script = [answer(1), TokenNotification(position=2)]
    positions, told = await until_its_end(house.follow())
    assert (positions, type(told), told.reason) == ([1], Unavailable, "ANSWER_MALFORMED")
    async with asyncio.timeout(AMPLE_S):
        await house.source.cleaned_up.wait()


async def test_that_a_service_is_not_let_in_is_not_its_callers_affair(house):
    token = current.set(Call("anyone", asyncio.get_running_loop().time() + 30, TraceContext("1" * 32, "2" * 16)))
    _, told = await until_its_end(house.stub("network").FollowTokens(ASKED))
    current.reset(token)
    assert (type(told), told.reason) == (Unavailable, "NEIGHBOUR_REFUSES")


async def test_a_service_that_is_not_there_is_unavailable():
    link = GrpcLink("tsp", "unix:/nowhere/at-all", "merchant")
    with pytest.raises(Unavailable, match="cannot be reached"):
        await anext(link.stream(FOLLOW, b"", {}, 5.0))
    await link.close()


async def test_a_tap_sees_what_is_streamed(house):
    tap = Tap()
    house.links["merchant"] = tap("tsp", house.link)
    house.source.script, house.source.ends = [answer(1), answer(2)], True
    assert await until_its_end(house.follow()) == ([1, 2], None)
    (exchange,) = tap.calls("FollowTokens")
    assert exchange.streamed == [answer(1).SerializeToString(), answer(2).SerializeToString()]
    assert answer(2).SerializeToString() in tap.at_the_edge()
