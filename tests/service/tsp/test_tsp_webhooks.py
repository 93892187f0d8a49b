"""Webhooks: signed as Standard Webhooks says, in order, and offered until they are taken."""

import asyncio
import base64
import json
from itertools import pairwise
from typing import Any

import pytest
import standardwebhooks
from httpx._config import DEFAULT_LIMITS
from leap import leap
from notice_desk import A, B
from patience import AMPLE_S, ample
from post_office import OTHER, SECRET, Post, numbers, right
from receiver import Receiver
from tsp_provider import ON_FILE, WITH_CRYPTOGRAM, Provider

from cardnet.cde.v1.token_operator_pb2 import SetWebhookRequest
from cardnet.cde.v1.token_operator_pb2_grpc import TokenOperatorStub
from cardnet.errors import Unavailable
from cardnet.v1.token_pb2 import TOKEN_STATE_SUSPENDED
from services.tsp import webhooks as posting
from services.tsp.webhooks import signed


async def test_what_is_posted_can_be_verified_with_the_standards_own_library(post: Post) -> None:
    await post.told(1, 2)
    async with Receiver() as shop:
        post.registry.webhooks[ON_FILE] = (shop.url, SECRET)
        post.start()
        got = await shop.until(2)
        await post.stop()
    library = standardwebhooks.Webhook("whsec_" + base64.b64encode(bytes.fromhex(SECRET)).decode())
    stranger = standardwebhooks.Webhook("whsec_" + base64.b64encode(bytes.fromhex(OTHER)).decode())
    for posted, told in zip(got, await post.desk.notifications.after(ON_FILE, 0), strict=True):
        document = library.verify(posted.body, posted.headers)  # looks at the timestamp as well
        assert right(SECRET, posted)
        assert not right(OTHER, posted)
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            stranger.verify(posted.body, posted.headers)
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            library.verify(posted.body.replace(b"ACTIVE", b"DELETE"), posted.headers)
        assert (posted.path, posted.headers["content-type"]) == ("/hook/secret-path", "application/json")
        assert document["type"] == "token.changed"
        assert document["timestamp"] == told.changed_at == document["data"]["changed_at"]
        assert document["data"]["position"] == str(told.position)
        assert document["data"]["token"]["token_reference_id"] == A
        assert document["data"]["token"]["state"] == "TOKEN_STATE_ACTIVE"
    assert len({posted.id for posted in got}) == 2


def test_a_signature_is_that_of_the_published_example() -> None:
    # The test vector of the specification's reference libraries.
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"


# In which order, and how often.


async def test_the_next_goes_out_only_when_the_last_was_taken(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DEFAULT_LIMITS, "keepalive_expiry", None)  # or a machine that stands still closes one
    await post.told(1, 2, 3)
    async with Receiver("500 Oops", "404 Not Found", "302 Found\r\nlocation: /elsewhere", "hang up") as shop:
        post.registry.webhooks[ON_FILE] = (shop.url, SECRET)
        post.start()
        got = await shop.until(7)
        await post.told(4)
        await shop.until(8)
        await post.stop()
    assert numbers(got) == [1, 1, 1, 1, 1, 2, 3, 4]
    assert {posted.path for posted in got} == {"/hook/secret-path"}
    assert all(right(SECRET, posted) for posted in got)
    assert len({posted.body for posted in got[:5]}) == 1
    assert shop.connections == 2  # one, but for the one that was hung up


async def test_pauses_grow_from_a_second_to_five_minutes_and_differ(post: Post) -> None:
    await post.told(1)
    async with Receiver(*["503 Busy"] * 30) as shop:
        post.registry.webhooks[ON_FILE] = (shop.url, SECRET)
        post.start()
        await shop.until(31)
        await post.stop()
    assert len(post.pauses) == 30
    assert all(1 <= pause <= 300 for pause in post.pauses)
    assert post.pauses[0] <= 2 < post.pauses[2]
    assert all(earlier < later for earlier, later in pairwise(post.pauses[0:9:2]))
    assert all(pause > 149 for pause in post.pauses[9:])
    assert len(set(post.pauses[9:])) > 15


async def test_a_pause_that_is_asked_for_is_made_within_bounds(post: Post) -> None:
    await post.told(1)
    asked = ["120", "999999", "soon", "-5", "Wed, 21 Oct 2026 07:28:00 GMT", "9" * 400]
    async with Receiver(*(f"429 Slow\r\nretry-after: {text}" for text in asked)) as shop:
        post.registry.webhooks[ON_FILE] = (shop.url, SECRET)
        post.start()
        await shop.until(7)
        await post.stop()
    assert post.pauses[:2] == [120.0, 300.0]
    assert all(pause < 200 for pause in post.pauses[2:])


async def test_who_does_not_answer_in_time_or_is_not_there_is_asked_again(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    await post.told(1, 2, 3)
    shop = Receiver("hang", "drip")
    reading, read = asyncio.Event(), posting._read

    async def begin_to_read(answer: Any) -> None:
        reading.set()
        await read(answer)

    async def open_the_shop(seconds: float) -> None:
        if not post.pauses:
            await shop.__aenter__()
        await post.pause(seconds)

    monkeypatch.setattr(posting, "_read", begin_to_read)
    post.registry.webhooks[ON_FILE] = (shop.url, SECRET)
    post.start(open_the_shop, timeout_s=AMPLE_S)
    await shop.until(1)
    leap(AMPLE_S)
    await shop.until(2)
    async with ample():
        await reading.wait()
    leap(AMPLE_S)  # of an answer without end the status counts
    assert numbers(await shop.until(4)) == [1, 1, 2, 3]
    assert len(post.pauses) == 2
    await post.stop()
    await shop.__aexit__()


async def test_no_more_is_read_of_an_answer_than_it_takes(post: Post) -> None:
    await post.told(1, 2)
    async with Receiver("endless", "200 OK") as shop:
        post.registry.webhooks[ON_FILE] = (shop.url, SECRET)
        post.start(timeout_s=3600.0)
        assert numbers(await shop.until(2)) == [1, 2]
        await post.stop()


async def test_one_webhook_that_fails_holds_no_other_up(post: Post) -> None:
    await post.told(1)
    await post.told(1, 2, reference=B, trid=WITH_CRYPTOGRAM)

    async def for_ever(_seconds: float) -> None:
        await asyncio.Event().wait()

    async with Receiver("500 Oops") as broken, Receiver() as shop:
        post.registry.webhooks = {ON_FILE: (broken.url, SECRET), WITH_CRYPTOGRAM: (shop.url, OTHER)}
        post.start(for_ever)
        await broken.until(1)
        assert numbers(await shop.until(2)) == [1, 2]
        assert all(right(OTHER, posted) for posted in shop.got)
        await post.stop()


async def test_nor_does_one_whose_address_cannot_be_read(post: Post) -> None:
    await post.told(1, reference=B, trid=WITH_CRYPTOGRAM)
    await post.told(1)
    post.registry.fault = Unavailable("VAULT_SEALED", "sealed")
    async with Receiver() as shop:
        post.registry.webhooks = {ON_FILE: (shop.url, SECRET), WITH_CRYPTOGRAM: (shop.url, OTHER)}
        post.start()
        assert right(OTHER, (await shop.until(1))[0])
        post.registry.fault = None
        assert right(SECRET, (await shop.until(2))[1])
        await post.stop()


async def test_a_change_reaches_the_shop_through_the_whole_service(tsp: Provider, token: Any) -> None:
    operator = TokenOperatorStub(tsp._channel("operator"))
    async with Receiver() as shop:
        asked = SetWebhookRequest(token_requestor_id=ON_FILE, url=shop.url, secret=SECRET)
        assert (await operator.SetWebhook(asked)).response_code == "00"
        await tsp.change(token, TOKEN_STATE_SUSPENDED)
        (posted,) = await shop.until(1)
        told = json.loads(posted.body)["data"]
        assert right(SECRET, posted)
        assert told["token"]["token_reference_id"] == token.token_reference_id
        assert (told["token"]["state"], told["party"]) == ("TOKEN_STATE_SUSPENDED", "PARTY_TSP")
        assert token.payment_token not in posted.body.decode()
        await tsp.service.stop()
