"""Several processes post the same notifications: one at a time does, another when that one is gone."""

import asyncio

import pytest
from notice_desk import B
from patience import AMPLE_S, ample
from post_office import OTHER, SECRET, Crew, Post, numbers, right
from receiver import Receiver
from tsp_provider import ON_FILE, WITH_CRYPTOGRAM

from services.tsp.turns import Turns, is_turn, posting

TURN = posting(ON_FILE)


def turns(post: Post, name: str) -> Turns:
    return Turns(post.desk.store, Crew(name, post.present))


async def test_a_turn_is_its_holders_until_it_ends_or_the_holder_is_gone(post: Post) -> None:
    one, other = turns(post, "one"), turns(post, "other")
    assert [await one.take(TURN), await other.take(TURN), await one.take(TURN)] == [True, False, True]
    assert [await one.ours(TURN), await other.ours(TURN)] == [True, False]
    await other.end(TURN)
    assert await one.ours(TURN)
    await one.end(TURN)
    assert await other.take(TURN)
    post.present.discard("other")
    assert await one.take(TURN)
    assert not await other.ours(TURN)


async def test_of_sixteen_who_find_the_holder_gone_one_has_the_turn(post: Post) -> None:
    await turns(post, "gone").take(TURN)
    post.present.discard("gone")
    crew = [turns(post, f"{number}") for number in range(16)]
    assert sum(await asyncio.gather(*(one.take(TURN) for one in crew))) == 1
    assert sum([await one.ours(TURN) for one in crew]) == 1


async def test_who_lost_the_turn_notes_nothing_any_more(post: Post) -> None:
    one, other = turns(post, "one"), turns(post, "other")
    await one.take(TURN)
    assert await one.note(TURN, f"tsp:{{notify:{ON_FILE}}}:posted", 7)
    await other.seize(TURN)
    assert not await one.note(TURN, f"tsp:{{notify:{ON_FILE}}}:posted", 8)
    assert await post.desk.store.command("GET", f"tsp:{{notify:{ON_FILE}}}:posted") == b"7"


def test_turns_are_no_part_of_the_vault() -> None:
    assert is_turn(TURN) and is_turn("tsp:{keyring}:busy")
    assert not is_turn(f"tsp:{{notify:{ON_FILE}}}:posted") and not is_turn("tsp:{keyring}:keys")


async def test_two_processes_post_each_notification_once(post: Post) -> None:
    async with Receiver() as shop, Receiver() as other:
        post.registry.webhooks |= {ON_FILE: (shop.url, SECRET), WITH_CRYPTOGRAM: (other.url, OTHER)}
        for name in ("one", "two", "three"):
            post.start(name=name)
        for version in range(1, 11):
            await post.told(version)
            await post.told(version, reference=B, trid=WITH_CRYPTOGRAM)
        await shop.until(10)
        await other.until(10)
        await post.stop()
        assert numbers(shop.got) == numbers(other.got) == list(range(1, 11))


async def test_another_goes_on_where_one_that_is_gone_stopped(post: Post) -> None:
    posting_it, answered = asyncio.Event(), asyncio.Event()

    async def stands_still(_seconds: float) -> None:
        posting_it.set()
        await answered.wait()

    await post.told(1, 2, 3)
    async with Receiver("204 No Content", "500 Oops") as shop:
        post.registry.webhooks[ON_FILE] = (shop.url, SECRET)
        post.start(stands_still, name="one")
        async with ample():
            await posting_it.wait()  # the first was taken, and the second is to be offered again in a while
        post.start(name="two")
        for _ in range(50):
            await asyncio.sleep(0)
        assert numbers(shop.got) == [1, 2]
        post.present.discard("one")
        assert numbers(await shop.until(4)) == [1, 2, 2, 3]

        # The one that stood still finds that it is another's turn.
        post.present.add("one")
        answered.set()
        await post.told(4)
        await shop.until(5)
        await post.stop()
        assert numbers(shop.got) == [1, 2, 2, 3, 4]


async def test_a_webhook_that_is_set_at_one_process_is_called_from_there_at_once(post: Post) -> None:
    pausing, over = asyncio.Event(), asyncio.Event()

    async def until_it_is_over(_seconds: float) -> None:
        pausing.set()
        await over.wait()

    await post.told(1)
    async with Receiver("500 Oops", "410 Gone") as before, Receiver() as after:
        post.registry.webhooks[ON_FILE] = (before.url, SECRET)
        post.start(until_it_is_over, name="one")
        async with ample():
            await pausing.wait()
        other = post.start(name="two")
        await post.registry.set_webhook(ON_FILE, after.url, OTHER)
        other.wake(ON_FILE)
        [posted] = await after.until(1)
        assert right(OTHER, posted)
        over.set()
        await post.told(2)
        await after.until(2)
        await post.stop()
        assert (numbers(before.got), numbers(after.got)) == ([1], [1, 2])
        assert post.registry.webhooks[ON_FILE] == (after.url, OTHER)


@pytest.mark.parametrize("moved", [False, True])
async def test_a_gone_of_the_address_before_switches_off_no_new_one(post: Post, moved: bool) -> None:
    await post.told(1)
    async with Receiver("410 Gone") as before, Receiver() as after:
        registry, shown = post.registry, post.registry.webhook_of

        async def moves_while_it_is_posted(token_requestor_id: str) -> tuple[str, str] | None:
            if moved and before.got:
                registry.webhooks[ON_FILE] = (after.url, OTHER)
            return await shown(token_requestor_id)

        registry.webhook_of = moves_while_it_is_posted  # type: ignore[method-assign]
        registry.webhooks[ON_FILE] = (before.url, SECRET)
        post.start()
        await before.until(1)
        if moved:
            assert numbers(await after.until(1)) == [1]
        else:
            async with asyncio.timeout(AMPLE_S):
                while registry.webhooks:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0)
        await post.stop()
        assert registry.webhooks == ({ON_FILE: (after.url, OTHER)} if moved else {})
