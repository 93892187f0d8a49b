"""What is kept in Redis is kept in the Redis of a container as in the store that we bring along: every Lua function."""

import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from patience import STORE_TIMEOUT_S, patient
from redis_server import RedisServer, free_address, redis_server
from test_journal import *  # noqa: F403 - its tests, on this server
from test_triggers import *  # noqa: F403 - likewise: between them they use every function of the vault and the ledger
from waiting import until

from cardnet import journal as journals
from cardnet.embedded_store.acl import ADMIN, acl_text
from cardnet.errors import Unavailable
from cardnet.journal import Journal
from cardnet.steps import SERVICES
from cardnet.store import Store
from cardnet.testing import LocalNetwork

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Served:
    """A Redis with users by `cardnet store-users`, and the URL of each service."""

    def __init__(self, server: RedisServer, urls: Path) -> None:
        self.server = server
        self.urls = {name: (urls / name / "redis.url").read_text().strip() for name in SERVICES}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder, address = tmp_path_factory.mktemp("redis"), free_address()
    made = (sys.executable, "-m", "cardnet.cli", "store-users", f"{address}={','.join(SERVICES)}")
    subprocess.run((*made, "--users", folder / "users", "--urls", folder / "urls"), check=True)
    with redis_server(folder / "users" / "127.0.0.1" / "users.acl", address) as server:
        yield Served(server, folder / "urls")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage_network(served: Served) -> AsyncIterator[LocalNetwork]:
    """In place of test_triggers' own."""
    urls = served.urls
    async with LocalNetwork(in_process=True, clock="simulated", redis_urls=urls, settings=patient()) as network:
        assert network.store is None
        yield network


@pytest.fixture(scope="module")
def journal_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The URLs of a shop and of an administrator, who is to empty it after each test."""
    folder, address = tmp_path_factory.mktemp("journal"), free_address()
    passwords = {name: secrets.token_urlsafe() for name in ("shop", ADMIN)}
    acl = folder / "users.acl"
    acl.write_text(acl_text({"shop": passwords["shop"]}, passwords[ADMIN]))
    with redis_server(acl, address):
        yield {name: f"redis://{name}:{password}@{address}/0" for name, password in passwords.items()}


@pytest_asyncio.fixture(loop_scope="module")
async def journal(journal_server: dict[str, str]) -> AsyncIterator[Journal]:
    """In place of test_journal's own."""
    admin = Store(journal_server[ADMIN], owner="test", timeout_s=STORE_TIMEOUT_S)
    await admin.command("FLUSHALL")
    await admin.close()
    store = Store(journal_server["shop"], journals.LIBRARY, owner="shop", timeout_s=STORE_TIMEOUT_S)
    await store.open()
    yield Journal(store, "shop")
    await store.close()


async def asked(url: str, *command: str) -> object:
    store = Store(url, owner="test", timeout_s=STORE_TIMEOUT_S)
    try:
        return await store.command(*command)
    finally:
        await store.close()


@pytest.mark.parametrize("user", ["", "default:", "default:default", "ADMIN:", "merchant:wrong"])
async def test_nobody_comes_in_without_a_password(served: Served, user: str) -> None:
    with pytest.raises(Unavailable) as fault:
        await asked(f"redis://{user}@{served.server.address}/0", "PING")
    assert fault.value.reason == "STORE_REFUSED"


async def test_a_health_check_may_ping_and_nothing_else(served: Served) -> None:
    url = f"redis://HEALTH:any@{served.server.address}/0"
    assert await asked(url, "PING") == b"PONG"
    for command in (("GET", "merchant:a"), ("CONFIG", "GET", "*"), ("KEYS", "*"), ("INFO",), ("ACL", "LIST")):
        with pytest.raises(Unavailable):
            await asked(url, *command)


@pytest.mark.parametrize(
    "command",
    [
        ("GET", "issuer:a"),
        ("SET", "issuer:a", "1"),
        ("KEYS", "*"),
        ("EVAL", "return 1", "0"),
        ("FUNCTION", "LIST"),
        ("CONFIG", "GET", "*"),
        ("DEBUG", "SLEEP", "0"),
        ("MONITOR",),
        ("SLOWLOG", "GET"),
        ("FLUSHALL",),
        ("SHUTDOWN",),
        ("ACL", "WHOAMI"),
    ],
    ids=lambda command: command[0],
)
async def test_a_service_does_nothing_but_its_work(served: Served, command: tuple[str, ...]) -> None:
    with pytest.raises(Unavailable) as fault:
        await asked(served.urls["merchant"], *command)
    assert fault.value.reason == "STORE_REFUSED"


TWO_WRITES = "function functions.both(keys, args) redis.call('SET', keys[1], '1') redis.call('SET', keys[2], '2') end"


async def test_what_one_function_wrote_survives_kill_9_in_one_piece(served: Served) -> None:
    store = Store(served.urls["merchant"], TWO_WRITES, owner="test", timeout_s=STORE_TIMEOUT_S)
    await store.call("both", ["merchant:a", "merchant:b"], [])
    served.server.kill_and_start()
    await until(store.ping, "the server takes commands")
    assert [await store.command("GET", key) for key in ("merchant:a", "merchant:b")] == [b"1", b"2"]
    await store.close()
    assert "CRITICAL" not in served.server.log()
