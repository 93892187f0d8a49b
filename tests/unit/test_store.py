"""How a service talks to its store, tried on a real server."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator

import pytest
import uvloop
from patience import AMPLE_S, ample

from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import Unavailable
from cardnet.store import Store

LIBRARY = """
function functions.echo(keys, args) return args[1] end
function functions.keep(keys, args)
  redis.call('SET', keys[1], args[1])
  return redis.call('GET', keys[1])
end
function functions.peek(keys, args) return redis.call('GET', args[1]) end
function functions.run(keys, args) return redis.call(unpack(args)) end
"""


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedStore]:
    with EmbeddedStore.start(None, ["issuer", "tsp"]) as running:
        yield running


@pytest.fixture
async def issuer(server: EmbeddedStore) -> AsyncIterator[Store]:
    """A store that gives up later than `reason_of` does: what ended a command is something else."""
    store = Store(server.url("issuer"), LIBRARY, owner="issuer", timeout_s=2 * AMPLE_S)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def hasty(server: EmbeddedStore) -> AsyncIterator[Store]:
    """A store that gives up soon, for servers that will not answer."""
    store = Store(server.url("issuer"), LIBRARY, owner="issuer", timeout_s=0.05)
    yield store
    await store.close()


@pytest.fixture
async def admin(server: EmbeddedStore) -> AsyncIterator[Store]:
    store = Store(server.admin_url, owner="admin", timeout_s=AMPLE_S)
    yield store
    await store.close()


async def answers_again(store: Store) -> None:
    async with asyncio.timeout(AMPLE_S):
        while not await store.ping():
            pass


async def reason_of(asking: asyncio.Future[object]) -> str:
    async with ample():
        with pytest.raises(Unavailable) as fault:
            await asking
    return fault.value.reason


async def test_strings_come_back_as_bytes_and_a_hash_as_a_dict(issuer: Store) -> None:
    assert await issuer.call("keep", ["issuer:a"], ["ä"]) == "ä".encode()
    await issuer.command("HSET", "issuer:hash", "amount", 1250)
    assert await issuer.command("HGETALL", "issuer:hash") == {b"amount": b"1250"}
    assert await issuer.call("peek", [], ["issuer:nothing"]) is None


@pytest.mark.parametrize("command", ["GET tsp:a", "SET tsp:a 1", "HGETALL tsp:a", "GET elsewhere", "SET elsewhere 1"])
async def test_a_service_has_no_right_to_the_keys_of_another(issuer: Store, command: str) -> None:
    with pytest.raises(Unavailable, match="has no right") as fault:
        await issuer.command(*command.split())
    assert fault.value.reason == "STORE_REFUSED"


@pytest.mark.parametrize(("function", "keys", "args"), [("keep", ["tsp:a"], ["1"]), ("peek", [], ["tsp:a"])])
async def test_nor_within_a_function_with_or_without_declaring_them(
    issuer: Store, function: str, keys: list[str], args: list[str]
) -> None:
    with pytest.raises(Unavailable, match="has no right") as fault:
        await issuer.call(function, keys, args)
    assert fault.value.reason == "STORE_REFUSED"


@pytest.mark.parametrize(
    "command",
    [
        "KEYS *",
        "SCAN 0",
        "CONFIG GET *",
        "MONITOR",
        "SLOWLOG GET",
        "LATENCY LATEST",
        "EVAL x 0",
        "SCRIPT FLUSH",
        "SCRIPT KILL",
        "FUNCTION LOAD x",
        "FUNCTION FLUSH",
        "ACL LIST",
        "CLIENT LIST",
        "FLUSHALL",
        "SUBSCRIBE x",
        "SHUTDOWN",
        "SAVE",
        "EXPIRE issuer:a 1",
    ],
)
async def test_a_service_may_only_do_what_it_needs(issuer: Store, command: str) -> None:
    with pytest.raises(Unavailable, match="has no right"):
        await issuer.command(*command.split())


async def test_nor_may_its_functions(issuer: Store) -> None:
    with pytest.raises(Unavailable, match="has no right"):
        await issuer.call("run", [], ["KEYS", "*"])


async def test_functions_that_are_gone_are_loaded_once_and_called_again(issuer: Store, admin: Store) -> None:
    await admin.command("SCRIPT", "FLUSH")
    await admin.command("CONFIG", "RESETSTAT")

    echoes = await asyncio.gather(*(issuer.call("echo", [], [number]) for number in range(100)))

    assert echoes == [str(number).encode() for number in range(100)]
    assert b"cmdstat_script|load:calls=1," in await admin.command("INFO", "commandstats")


async def test_a_function_that_no_library_has_is_refused(issuer: Store) -> None:
    with pytest.raises(Unavailable) as fault:
        await issuer.call("nowhere", [], [])
    assert fault.value.reason == "STORE_REFUSED"


async def test_a_refusal_tells_the_kind_and_the_line_and_quotes_nothing(issuer: Store) -> None:
    await issuer.command("SET", "issuer:text", "1")
    with pytest.raises(Unavailable) as fault:
        await issuer.call("run", ["issuer:text"], ["HSET", "issuer:text", "a-secret", "a-secret"])
    assert fault.value.reason == "STORE_REFUSED"
    assert str(fault.value) == "the issuer's store refuses: a key holds another type of value (line 9 of its script)"


async def test_a_refused_command_disturbs_no_other(issuer: Store) -> None:
    answers: list[object] = await asyncio.gather(
        issuer.call("echo", [], ["1"]),
        issuer.command("NOSUCH", "a-secret"),
        issuer.call("echo", [], ["2"]),
        return_exceptions=True,
    )
    one, refused, two = answers
    assert (one, two) == (b"1", b"2")
    assert isinstance(refused, Unavailable)
    assert "a-secret" not in repr(refused)


async def test_a_store_without_memory_refuses(issuer: Store, admin: Store) -> None:
    await admin.command("CONFIG", "SET", "maxmemory", 1)
    try:
        with pytest.raises(Unavailable, match="out of memory") as fault:
            await issuer.command("SET", "issuer:a", "1")
    finally:
        await admin.command("CONFIG", "SET", "maxmemory", 0)
    assert fault.value.reason == "STORE_REFUSED"


async def test_a_wrong_password_is_refused(server: EmbeddedStore) -> None:
    store = Store(server.url("issuer").replace("issuer:", "issuer:x"), owner="issuer", timeout_s=AMPLE_S)
    with pytest.raises(Unavailable, match="does not know this user and password"):
        await store.command("GET", "issuer:a")


async def test_a_wrong_database_never_sees_a_command(server: EmbeddedStore, admin: Store) -> None:
    store = Store(server.url("issuer").replace("db=0", "db=99"), owner="issuer", timeout_s=AMPLE_S)
    with pytest.raises(Unavailable) as fault:
        await store.command("SET", "issuer:astray", "1")
    assert fault.value.reason == "STORE_REFUSED"
    assert await admin.command("GET", "issuer:astray") is None


async def test_all_commands_share_one_connection(issuer: Store, admin: Store) -> None:
    await asyncio.gather(*(issuer.call("echo", [], [number]) for number in range(50)))
    clients = (await admin.command("CLIENT", "LIST")).decode()
    assert clients.count("name=cardnet-issuer ") == 1


async def test_what_was_acknowledged_survives_kill_9_and_the_store_comes_back_by_itself(
    server: EmbeddedStore, issuer: Store
) -> None:
    await asyncio.gather(*(issuer.call("keep", [f"issuer:kept:{n}"], [n]) for n in range(100)))
    server.kill()
    assert not await issuer.ping()
    server.restart()

    kept = await asyncio.gather(*(issuer.command("GET", f"issuer:kept:{n}") for n in range(100)))

    assert kept == [str(n).encode() for n in range(100)]
    assert await issuer.call("echo", [], ["functions, too"]) == b"functions, too"


async def test_what_is_in_flight_when_the_server_dies_is_unknown(server: EmbeddedStore, issuer: Store) -> None:
    server.pause()
    in_flight = [asyncio.create_task(issuer.call("echo", [], [n])) for n in range(10)]
    await asyncio.sleep(0)
    server.kill()
    server.restart()
    for asking in in_flight:
        assert await reason_of(asking) == "STORE_UNAVAILABLE"


@pytest.mark.parametrize("connected", [True, False])
async def test_a_server_that_stands_still_costs_no_more_than_the_timeout(
    server: EmbeddedStore, hasty: Store, connected: bool
) -> None:
    if connected:
        await answers_again(hasty)
    server.pause()
    try:
        async with asyncio.timeout(AMPLE_S):
            asked = [asyncio.create_task(hasty.call("echo", [], [n])) for n in range(10)]
            assert {await reason_of(asking) for asking in asked} == {"STORE_UNAVAILABLE"}
    finally:
        server.resume()
    await answers_again(hasty)


async def test_closing_ends_what_is_in_flight(server: EmbeddedStore, issuer: Store) -> None:
    server.pause()
    try:
        asking = asyncio.create_task(issuer.call("echo", [], ["1"]))
        await asyncio.sleep(0)
        await issuer.close()
        assert await reason_of(asking) == "STORE_UNAVAILABLE"
    finally:
        server.resume()


@pytest.mark.parametrize("seed", range(5))
async def test_no_reply_reaches_anybody_else_when_callers_give_up(issuer: Store, seed: int) -> None:
    chance = random.Random(seed)
    asked = [asyncio.create_task(issuer.call("echo", [], [f"for {number}"])) for number in range(500)]
    for _ in range(chance.randrange(12)):  # how far the commands get before some are given up
        await asyncio.sleep(0)
    for asking in chance.sample(asked, 250):
        asking.cancel()
    more = [asyncio.create_task(issuer.call("echo", [], [f"for {number}"])) for number in range(500, 600)]

    answers = await asyncio.gather(*asked, *more, return_exceptions=True)

    expected = [f"for {number}".encode() for number in range(600)]
    assert all(
        got == own or isinstance(got, asyncio.CancelledError) for got, own in zip(answers, expected, strict=True)
    )
    assert answers[500:] == expected[500:]


async def test_nor_when_they_give_up_what_the_server_has_received(server: EmbeddedStore, issuer: Store) -> None:
    server.pause()
    try:
        asked = [asyncio.create_task(issuer.call("echo", [], [number])) for number in range(500)]
        for _ in range(3):
            await asyncio.sleep(0)  # they are sent, and cannot be answered
        for asking in asked[::2]:
            asking.cancel()
    finally:
        server.resume()

    answers = await asyncio.gather(*asked, return_exceptions=True)

    assert answers[1::2] == [str(number).encode() for number in range(1, 500, 2)]
    assert all(isinstance(answer, asyncio.CancelledError) for answer in answers[::2])


@pytest.mark.parametrize("turns", range(10))
async def test_one_that_gives_up_while_functions_are_loaded_spoils_it_for_nobody(
    issuer: Store, admin: Store, turns: int
) -> None:
    await admin.command("SCRIPT", "FLUSH")
    first, *others = [asyncio.create_task(issuer.call("echo", [], [number])) for number in range(10)]
    for _ in range(turns):  # of the event loop, which end before, within and after the loading
        await asyncio.sleep(0)
    first.cancel()
    assert await asyncio.gather(*others) == [str(number).encode() for number in range(1, 10)]


def test_it_works_under_uvloop(server: EmbeddedStore) -> None:
    async def use() -> list[bytes]:
        store = Store(server.url("issuer"), LIBRARY, owner="issuer", timeout_s=AMPLE_S)
        await store.open()
        echoes = await asyncio.gather(*(store.call("echo", [], [number]) for number in range(100)))
        await store.close()
        return echoes

    assert uvloop.run(use()) == [str(number).encode() for number in range(100)]
