"""What requestors are told: every change once and in its token's order, whoever dies on the way."""

import asyncio
from itertools import combinations_with_replacement
from typing import Any

import pytest
from notice_desk import A, B, Desk, Step, dying_at, nothing
from patience import AMPLE_S, ample
from tsp_provider import ON_FILE, PAN

from cardnet.errors import Unavailable
from cardnet.store import Store
from services.tsp import notifications as telling
from services.tsp.notifications import AT_ONCE
from services.tsp.outbox import WAITING


async def test_changes_are_told_once_in_each_tokens_order_at_positions_without_a_gap(desk: Desk) -> None:
    await desk.change(A, *range(1, 13))  # 10 comes after 9, and not after 1
    await desk.change(B, 1, 2)
    await desk.relay.pass_on()
    await desk.change(B, 3)
    await desk.relay.pass_on()
    await desk.relay.pass_on()
    told = await desk.told()
    assert [entry for entry in told if entry[0] == A] == [(A, version) for version in range(1, 13)]
    assert [entry for entry in told if entry[0] == B] == [(B, 1), (B, 2), (B, 3)]
    assert len(told) == 15
    assert not await desk.left_over()


async def test_each_requestor_is_told_of_its_own_tokens(desk: Desk) -> None:
    await desk.change(A, 1, 2)
    await desk.change(B, 1, trid="00000000002")
    await desk.relay.pass_on()
    assert await desk.told() == [(A, 1), (A, 2)]
    assert await desk.told("00000000002") == [(B, 1)]
    assert (await desk.notifications.last(ON_FILE), await desk.notifications.last("00000000003")) == (2, 0)


@pytest.mark.parametrize("acts", [False, True], ids=["before", "after"])
async def test_a_relay_that_dies_anywhere_loses_and_doubles_nothing(desk: Desk, admin: Store, acts: bool) -> None:
    for at in range(100):
        await admin.command("FLUSHALL")
        await desk.change(A, 1, 2, 3)
        await desk.change(B, 1)
        die = dying_at(at)
        survived = await desk.pass_on(nothing, die) if acts else await desk.pass_on(die)
        await desk.change(B, 2)
        await desk.relay.pass_on()
        told = await desk.told()
        assert [entry for entry in told if entry[0] == A] == [(A, 1), (A, 2), (A, 3)], at
        assert [entry for entry in told if entry[0] == B] == [(B, 1), (B, 2)], at
        assert not await desk.left_over(), at
        if survived:
            break
    assert at == 15  # 1 for the marks, for each token 3 and for each change 2


async def test_a_change_that_comes_between_the_relays_steps_is_told(desk: Desk, admin: Store) -> None:
    """Its two steps are put before every pair of the relay's commands, in their order."""
    commands = 6
    for first, second in combinations_with_replacement(range(commands), 2):
        await admin.command("FLUSHALL")
        await desk.change(A, 1)
        outstanding: list[tuple[int, Step]] = [
            (first, lambda: desk.announce(A, 2)),
            (second, lambda: desk.write(A, 2)),
        ]

        async def in_between(number: int, outstanding: list[tuple[int, Step]] = outstanding) -> None:
            while outstanding and outstanding[0][0] == number:
                await outstanding.pop(0)[1]()

        await desk.pass_on(in_between)
        assert not outstanding, "the relay takes fewer steps than this test knows"
        await desk.relay.pass_on()
        assert await desk.told() == [(A, 1), (A, 2)], (first, second)
        assert not await desk.left_over()


async def test_a_change_written_long_after_its_mark_is_told(desk: Desk) -> None:
    await desk.change(A, 1)
    await desk.announce(A, 2)
    for _ in range(3):
        await desk.relay.pass_on()
    await desk.write(A, 2)
    await desk.relay.pass_on()
    assert await desk.told() == [(A, 1), (A, 2)]


async def test_the_mark_of_a_change_that_never_came_falls_with_the_next_change(desk: Desk) -> None:
    await desk.change(A, 1)
    await desk.announce(A, 2)  # and its service died
    await desk.relay.pass_on()
    assert len(await desk.left_over()) == 1
    await desk.change(A, 2)
    await desk.relay.pass_on()
    assert not await desk.left_over()


async def test_two_relays_at_once_tell_everything_once(desk: Desk) -> None:
    for version in range(1, 60):
        await desk.change(A, version)
        await desk.change(B, version)
    relays = [desk.relay_over() for _ in range(4)]
    await asyncio.gather(*(relay.pass_on() for relay, _ in relays))
    told = await desk.notifications.after(ON_FILE, 0) + await desk.notifications.after(ON_FILE, AT_ONCE)
    for reference in (A, B):
        versions = [one.token.version for one in told if one.token.token_reference_id == reference]
        assert versions == list(range(1, 60))
    for _, store in relays:
        await store.close()


async def test_a_damaged_change_keeps_no_other_token_from_being_told(desk: Desk, caplog: Any) -> None:
    await desk.change(A, 1)
    await desk.change(B, 1)
    await desk.store.command("HSET", f"tsp:{{{A}}}:outbox", "1", f"\xff{PAN}")
    await desk.store.command("SADD", WAITING, "no mark at all", b"\xff:1")
    await desk.relay.pass_on()
    assert await desk.told() == [(B, 1)]
    assert "cannot be passed on" in caplog.text
    assert PAN not in caplog.text
    await desk.store.command("DEL", f"tsp:{{{B}}}:record")
    await desk.store.command("SET", f"tsp:{{{B}}}:record", "of another kind")
    await desk.announce(B, 9)
    await desk.relay.pass_on()
    assert "STORE_REFUSED" in caplog.text


async def test_a_relay_goes_on_when_the_store_is_back(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "LOOK_AGAIN_S", 0.01)
    tried = asyncio.Event()

    async def away(number: int) -> None:
        if number < 5:
            raise Unavailable("STORE_UNAVAILABLE", "away")
        tried.set()

    await desk.change(A, 1)
    relay, store = desk.relay_over(away)
    running = asyncio.create_task(relay.run())
    async with ample():
        await tried.wait()
    await until_told(desk, 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await store.close()


async def until_told(desk: Desk, number: int) -> None:
    async with asyncio.timeout(AMPLE_S):
        while await desk.notifications.last(ON_FILE) < number:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
