"""What a store makes of a server that misbehaves: an actor, for a real one would not do it when asked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from patience import AMPLE_S
from store_actor import Actor, Part

from cardnet.errors import Unavailable
from cardnet.store import Store


@asynccontextmanager
async def playing(folder: Path, part: Part, timeout_s: float = AMPLE_S) -> AsyncIterator[tuple[Store, Actor]]:
    """An actor, and a store that asks it."""
    actor = Actor(part)
    server = await asyncio.start_unix_server(actor.meet, folder / "sock")
    store = Store(f"unix://{folder}/sock", owner="issuer", timeout_s=timeout_s)
    async with server:
        yield store, actor
        await store.close()
        await asyncio.gather(*actor.conversations)


async def fault_of(store: Store, *command: str) -> Unavailable:
    with pytest.raises(Unavailable) as fault:
        await store.command(*command)
    return fault.value


async def test_without_a_server_a_command_fails_at_once(tmp_path: Path) -> None:
    store = Store(f"unix://{tmp_path}/nobody", owner="issuer", timeout_s=3600)
    fault = await fault_of(store, "PING")
    assert (fault.reason, str(fault)) == (
        "STORE_UNAVAILABLE",
        "the issuer's store does not answer; is it running?",
    )
    assert not await store.ping()


async def test_a_lost_reply_is_known_at_once_and_not_asked_for_again(tmp_path: Path) -> None:
    async with asyncio.timeout(AMPLE_S), playing(tmp_path, lambda command: None, timeout_s=3600) as (store, actor):
        assert (await fault_of(store, "INCR", "issuer:a")).reason == "STORE_UNAVAILABLE"
        assert actor.heard == [[b"INCR", b"issuer:a"]]


async def test_after_a_lost_reply_the_next_command_connects_anew(tmp_path: Path) -> None:
    answers = iter([None, b":1\r\n"])
    async with playing(tmp_path, lambda command: next(answers)) as (store, actor):
        await fault_of(store, "INCR", "issuer:a")
        assert await store.command("INCR", "issuer:a") == 1
        assert actor.connections == 2


async def test_when_one_is_late_all_in_flight_are_unknown(tmp_path: Path) -> None:
    async with playing(tmp_path, lambda command: b"", timeout_s=0.02) as (store, actor):
        asked = await asyncio.gather(*(store.command("GET", f"issuer:{n}") for n in range(50)), return_exceptions=True)
        assert [type(fault) for fault in asked] == [Unavailable] * 50
        assert len(actor.heard) <= 50


async def test_a_hundred_that_want_to_connect_share_one_attempt(tmp_path: Path) -> None:
    async with playing(tmp_path, lambda command: b"+here\r\n") as (store, actor):
        assert await asyncio.gather(*(store.command("GET", f"issuer:{n}") for n in range(100))) == [b"here"] * 100
        assert actor.connections == 1


@pytest.mark.parametrize("rubbish", [b"HTTP/1.1 400 Bad Request\r\n", b"+one\r\n+one too many\r\n"])
async def test_a_server_that_is_no_redis_is_left(tmp_path: Path, rubbish: bytes) -> None:
    async with playing(tmp_path, lambda command: rubbish) as (store, actor):
        for _ in range(2):
            try:
                await store.command("GET", "issuer:a")
            except Unavailable as fault:
                assert fault.reason == "STORE_UNAVAILABLE"
        assert actor.connections == 2


async def test_a_push_answers_no_command(tmp_path: Path) -> None:
    async with playing(tmp_path, lambda command: b">2\r\n+invalidate\r\n_\r\n+own\r\n") as (store, _):
        assert await asyncio.gather(*(store.command("GET", "issuer:a") for _ in range(3))) == [b"own"] * 3


async def test_replies_in_pieces_come_whole(tmp_path: Path) -> None:
    pieces = iter([b"$6\r\nfir", b"st1\r\n$6\r\nsecond\r\n"])
    async with playing(tmp_path, lambda command: next(pieces)) as (store, _):
        answers: list[bytes] = await asyncio.gather(store.command("GET", "1"), store.command("GET", "2"))
        assert answers == [b"first1", b"second"]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ("LOADING Redis is loading the dataset in memory", "is still reading its data; ask again in a moment"),
        ("NOREPLICAS Not enough good replicas to write.", "has too few replicas to take writes"),
        ("NOREPLICAS Not enough good replicas to write. script: a-secret, on @user_script:12.", "has too few replicas"),
    ],
)
async def test_what_will_pass_is_unavailable_and_no_refusal(tmp_path: Path, error: str, sentence: str) -> None:
    async with playing(tmp_path, lambda command: f"-{error}\r\n".encode()) as (store, _):
        fault = await fault_of(store, "GET", "issuer:a")
        assert fault.reason == "STORE_UNAVAILABLE"
        assert sentence in str(fault) and "a-secret" not in str(fault)
        assert not await store.ping()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ("MISCONF Errors writing to the AOF file: a-secret", "it cannot write to its disk"),
        ("OOM command not allowed, a-secret", "it is out of memory"),
        ("A-SECRET as a kind", "it answered with an error"),
        ("ERR a-secret\xff", "it answered with an error"),
        (
            "ERR user_script:12: a-secret script: hold, on @user_script:12.",
            "it answered with an error (line 12 of its script)",
        ),
        ("ERR user_script:4111111111111111: a-secret", "it answered with an error"),
        ("", "it answered with an error"),
    ],
)
async def test_of_an_error_only_its_kind_is_told(tmp_path: Path, error: str, sentence: str) -> None:
    async with playing(tmp_path, lambda command: f"-{error}\r\n".encode("latin-1")) as (store, _):
        fault = await fault_of(store, "GET", "issuer:a")
        assert fault.reason == "STORE_REFUSED"
        assert str(fault) == f"the issuer's store refuses: {sentence}"


async def test_who_asks_a_closed_store_gets_a_fault_and_opens_no_connection(tmp_path: Path) -> None:
    async with playing(tmp_path, lambda command: b":1\r\n") as (store, actor):
        await store.command("INCR", "issuer:a")
        await store.close()
        assert (await fault_of(store, "INCR", "issuer:a")).reason == "STORE_UNAVAILABLE"
        assert not await store.ping()
        assert actor.connections == 1
