"""Webhooks across restarts, when they end or move, and what nobody learns of them."""

import asyncio
import logging
import subprocess
import sys
from typing import Any

import pytest
from notice_desk import B
from patience import AMPLE_S, ample
from post_office import OTHER, SECRET, Post, numbers, right
from receiver import Receiver
from tsp_provider import ON_FILE, WITH_CRYPTOGRAM

from cardnet.errors import Unavailable
from services.tsp import webhooks as posting


async def test_a_restart_goes_on_where_it_stopped(post: Post) -> None:
    await post.told(1, 2)
    async with Receiver() as shop:
        post.registry.webhooks[ON_FILE] = (shop.url, SECRET)
        post.start()
        await shop.until(2)
        await until_noted(post, 2)
        await post.stop()
        await post.told(3)
        post.start()
        assert numbers(await shop.until(3)) == [1, 2, 3]
        await post.stop()


async def until_noted(post: Post, position: int) -> None:
    async with asyncio.timeout(AMPLE_S):
        while await post.desk.store.command("GET", f"tsp:{{notify:{ON_FILE}}}:posted") != str(position).encode():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_what_was_posted_and_not_noted_is_posted_again_under_the_same_id(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    await post.told(1)
    call, died = post.desk.store.call, asyncio.Event()

    async def die_at_the_note(*asked: Any) -> Any:
        if asked[0] == "tsp_note_in_turn" and not died.is_set():
            died.set()
            raise Unavailable("STORE_UNAVAILABLE", "dead")
        return await call(*asked)

    monkeypatch.setattr(post.desk.store, "call", die_at_the_note)
    async with Receiver() as shop:
        post.registry.webhooks[ON_FILE] = (shop.url, SECRET)
        post.start()
        first, second = await shop.until(2)
        assert (first.id, first.body) == (second.id, second.body)
        await until_noted(post, 1)
        await post.stop()


async def test_a_webhook_that_is_gone_is_switched_off_and_goes_on_when_set_anew(post: Post, caplog: Any) -> None:
    await post.told(1, 2)
    async with Receiver("204 No Content", "410 Gone") as shop:
        post.registry.webhooks[ON_FILE] = (shop.url, SECRET)
        webhooks = post.start()
        await shop.until(2)
        async with asyncio.timeout(AMPLE_S):
            while post.registry.webhooks:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0)
        await post.told(3)
        await post.registry.set_webhook(ON_FILE, shop.url, OTHER)
        webhooks.wake(ON_FILE)
        assert numbers(await shop.until(4)) == [1, 2, 2, 3]
        assert right(OTHER, shop.got[2])
        await post.stop()
    assert "is gone and is switched off" in caplog.text


async def test_an_address_that_is_set_anew_is_called_at_once(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "LOOK_AGAIN_S", 3600.0)
    await post.told(1)
    pausing, over = asyncio.Event(), asyncio.Event()

    async def until_it_is_over(_seconds: float) -> None:
        pausing.set()
        await over.wait()

    async with Receiver("500 Oops") as before, Receiver() as after:
        post.registry.webhooks[ON_FILE] = (before.url, SECRET)
        webhooks = post.start(until_it_is_over)
        async with ample():
            await pausing.wait()
        post.registry.webhooks[ON_FILE] = (after.url, OTHER)
        webhooks.wake(ON_FILE)
        assert numbers(await after.until(1)) == [1]
        over.set()  # whoever still paused would post the first again
        for _ in range(20):
            await asyncio.sleep(0)
        await post.told(2)  # and what comes later, without being looked for
        await post.told(3)
        assert numbers(await after.until(3)) == [1, 2, 3]
        await post.stop()


async def test_nothing_is_posted_where_there_is_no_webhook_any_more(post: Post) -> None:
    await post.told(1, 2)

    switched_off = asyncio.Event()

    async def switch_off(_seconds: float) -> None:
        post.registry.webhooks.clear()
        switched_off.set()

    async with Receiver("500 Oops") as shop, Receiver() as other:
        post.registry.webhooks[ON_FILE] = (shop.url, SECRET)
        post.start(switch_off)
        async with ample():
            await switched_off.wait()
        await post.told(1, reference=B, trid=WITH_CRYPTOGRAM)
        post.registry.webhooks[WITH_CRYPTOGRAM] = (other.url, OTHER)
        await other.until(1)
        assert numbers(shop.got) == [1]
        await post.stop()


# What is told to others.


async def test_no_log_has_the_address_or_the_secret(post: Post, caplog: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1/")  # nor is what we post led elsewhere
    await post.told(1)
    with caplog.at_level(logging.DEBUG):
        async with Receiver("500 Oops", "hang up", "410 Gone") as shop:
            post.registry.webhooks[ON_FILE] = (shop.url, SECRET)
            post.start()
            await shop.until(3)
            await post.stop()
    assert "does not take notification 1 (status 500)" in caplog.text
    for hidden in ("secret-path", "127.0.0.1", SECRET, shop.got[0].headers["webhook-signature"]):
        assert hidden not in caplog.text


@pytest.mark.parametrize("url", ["http://", "http://[", "http://x:99999/", "https://127.0.0.1:1/", "http://\u00e9/"])
async def test_an_address_that_is_none_does_no_harm(post: Post, url: str) -> None:
    await post.told(1)
    async with Receiver() as shop:

        async def mend(seconds: float) -> None:
            post.registry.webhooks[ON_FILE] = (shop.url, SECRET)
            await post.pause(seconds)

        post.registry.webhooks[ON_FILE] = (url, SECRET)
        post.start(mend)
        assert numbers(await shop.until(1)) == [1]
        await post.stop()
    assert len(post.pauses) == 1


def test_a_start_does_not_pay_for_the_http_client() -> None:
    code = "import sys, services.tsp.app; assert not {'httpx', 'google.protobuf.json_format'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
