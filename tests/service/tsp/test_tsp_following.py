"""Those who follow their tokens: what they are told, from where, and how it ends."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from notice_desk import A, Desk, dying_at
from patience import AMPLE_S
from tsp_provider import ON_FILE, PAN, Provider

from cardnet import messages
from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import Fault, InvalidField, NotPermitted, Unavailable
from cardnet.rules import RULES
from cardnet.store import Store
from cardnet.v1.rule_pb2 import Rule, field
from cardnet.v1.token_lifecycle_pb2 import FollowTokensRequest, TokenNotification
from cardnet.v1.token_lifecycle_pb2_grpc import TokenNotificationsStub
from cardnet.v1.token_pb2 import TOKEN_STATE_ACTIVE, TOKEN_STATE_DELETED, TOKEN_STATE_SUSPENDED
from services.tsp import notifications as telling
from services.tsp.notifications import AT_ONCE


def follow(tsp: Provider, after: int = 0, trid: str = ON_FILE, caller: str = "merchant") -> Any:
    request = FollowTokensRequest(token_requestor_id=trid, after_position=after)
    return TokenNotificationsStub(tsp._channel(caller)).FollowTokens(request)


async def take(stream: Any, number: int) -> list[TokenNotification]:
    async with asyncio.timeout(AMPLE_S):
        return [await anext(stream) for _ in range(number)]


STATES = [TOKEN_STATE_SUSPENDED, TOKEN_STATE_ACTIVE, TOKEN_STATE_SUSPENDED, TOKEN_STATE_DELETED]


async def test_a_follower_is_told_what_was_and_what_comes(
    tsp: Provider, token: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "LOOK_AGAIN_S", 3600.0)  # so that it is waking that brings the news
    for state in STATES[:2]:
        await tsp.change(token, state)
    async with aclosing(follow(tsp)) as stream:
        told = await take(stream, 2)
        for state in STATES[2:]:
            await tsp.change(token, state)
            told += await take(stream, 1)
    assert [(one.position, one.token.state) for one in told] == list(enumerate(STATES, 1))
    assert all(one.token.token_reference_id == token.token_reference_id for one in told)
    assert (told[0].party, told[0].cause, told[0].changed_at) == (3, 8, "2026-11-22T23:50:00Z")


async def test_a_follower_goes_on_from_where_it_was(tsp: Provider, token: Any) -> None:
    for state in STATES:
        await tsp.change(token, state)
    async with aclosing(follow(tsp)) as stream:
        told = await take(stream, 4)
    for position in range(4):
        async with aclosing(follow(tsp, position)) as stream:
            assert await take(stream, 4 - position) == told[position:]
    for position in (5, 999_999_999):
        with pytest.raises(InvalidField, match="must not be beyond") as refused:
            await take(follow(tsp, position), 1)
        assert refused.value.field == "after_position"


async def test_many_followers_are_told_the_same(tsp: Provider, token: Any) -> None:
    streams = [follow(tsp) for _ in range(50)]
    following = [asyncio.create_task(take(stream, 4)) for stream in streams]
    for state in STATES:
        await tsp.change(token, state)
    told = await asyncio.gather(*following)
    assert told == [told[0]] * 50
    for stream in streams:
        await stream.aclose()


async def test_more_than_is_read_at_once_is_told_in_order(tsp: Provider, desk: Desk) -> None:
    await desk.change(A, *range(1, 2 * AT_ONCE + 51))
    async with aclosing(follow(tsp)) as stream:
        told = await take(stream, 2 * AT_ONCE + 50)
    assert [one.token.version for one in told] == list(range(1, 2 * AT_ONCE + 51))


async def test_what_another_process_changed_is_told_too(
    tsp: Provider, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "LOOK_AGAIN_S", 0.01)
    async with aclosing(follow(tsp)) as stream:
        following = asyncio.create_task(take(stream, 1))
        await desk.change(A, 1)
        await desk.relay.pass_on()
        assert (await following)[0].token.token_reference_id == A


async def test_what_a_dead_process_left_is_told_by_the_next(store: EmbeddedStore, desk: Desk) -> None:
    await desk.change(A, 1, 2)
    await desk.pass_on(dying_at(4))
    after = Provider(store)
    await after.service.start()
    async with aclosing(follow(after)) as stream:
        assert [one.token.version for one in await take(stream, 2)] == [1, 2]
    await after.service.stop()


@pytest.mark.parametrize(
    ("trid", "caller"), [(ON_FILE, "other-merchant"), ("00000000003", "merchant"), ("00099999999", "merchant")]
)
async def test_nobody_follows_anothers_tokens(tsp: Provider, trid: str, caller: str) -> None:
    with pytest.raises(NotPermitted, match="not registered to the caller"):
        await take(follow(tsp, trid=trid, caller=caller), 1)


async def test_a_stopping_service_does_not_wait_for_its_followers(tsp: Provider) -> None:
    following = asyncio.create_task(anext(follow(tsp)))
    async with asyncio.timeout(AMPLE_S):
        while not tsp.service.border._streams:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
        await tsp.service.stop()
        with pytest.raises(Unavailable) as ended:
            await following
    assert ended.value.reason == "SERVICE_STOPPING"


async def test_a_store_that_is_away_ends_the_stream_and_loses_nothing(
    tsp: Provider, token: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tsp.change(token, STATES[0])
    stream = follow(tsp)
    await take(stream, 1)

    async def away(*_: Any) -> Any:
        raise Unavailable("STORE_UNAVAILABLE", "away")

    with monkeypatch.context() as broken:
        broken.setattr(tsp.service.store, "command", away)
        with pytest.raises(Fault):
            await take(stream, 1)
    async with aclosing(follow(tsp, 1)) as again:
        await tsp.change(token, STATES[1])
        assert (await take(again, 1))[0].position == 2


async def test_a_notification_holds_nothing_secret(tsp: Provider, token: Any, admin: Store) -> None:
    def secret(kind: Any) -> list[str]:
        found = [secret(one.message_type) for one in kind.fields if one.message_type]
        rules = {one.full_name: Rule.Name(one.GetOptions().Extensions[field].rule)[5:] for one in kind.fields}
        return [name for name, rule in rules.items() if RULES[rule].secret] + sum(found, [])

    assert not secret(TokenNotification.DESCRIPTOR)
    for state in STATES:
        await tsp.change(token, state)
    async with aclosing(follow(tsp)) as stream:
        for told in await take(stream, 4):
            messages.check(told)
    (name,) = await admin.command("KEYS", "tsp:{notify:*:list")
    kept = b"".join(await admin.command("LRANGE", name, 0, -1))
    assert PAN.encode() not in kept
    assert token.payment_token.encode() not in kept
