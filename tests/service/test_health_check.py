"""`python -m cardnet.health`, as container engines run it, against the health door of a service and against others."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import grpc.aio
import pytest
from patience import AMPLE_S

from cardnet.doors import open_health_door
from cardnet.testing.ports import Ports

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


PATIENT = f"""
import sys
from cardnet import health
health.TIMEOUT_S = {AMPLE_S}
sys.exit(health.main(sys.argv[1:]))
"""
"""The same, but for how long it waits: who answers here may stand still for longer."""


async def asked(address: str, *how: str) -> tuple[int | None, str]:
    """Exit code and standard output. how: in place of `-m cardnet.health`."""
    command = (sys.executable, *(how or ("-m", "cardnet.health")), address)
    child = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    said, _ = await child.communicate()
    return child.returncode, said.decode().strip()


@asynccontextmanager
async def listening(handler: Handler) -> AsyncIterator[str]:
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"{host}:{port}"
    finally:
        server.close()


@pytest.fixture
def address() -> Iterator[str]:
    """Where nobody else comes to serve meanwhile."""
    ports = Ports()
    yield ports.take()
    ports.release()


@pytest.mark.parametrize(("serves", "answer"), [(True, (0, "SERVING")), (False, (1, "NOT_SERVING"))])
async def test_it_tells_what_the_service_says_at_this_moment(
    address: str, serves: bool, answer: tuple[int, str]
) -> None:
    async def serving() -> bool:
        return serves

    server = await open_health_door(address, (), serving)
    try:
        assert await asked(address, "-c", PATIENT) == answer
    finally:
        await server.stop(0)


async def test_a_server_without_a_health_service_is_not_healthy() -> None:
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        assert (await asked(f"127.0.0.1:{port}"))[0] == 2
    finally:
        await server.stop(0)


async def test_nobody_there_is_not_healthy(address: str) -> None:
    assert (await asked(address))[0] == 2


async def test_who_never_answers_is_not_waited_for_for_ever() -> None:
    over = asyncio.Event()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    async with listening(silent) as address:
        assert (await asked(address))[0] == 2
        over.set()


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\n\r\nSERVING", b"\xff" * 64])
async def test_who_speaks_something_else_is_not_healthy(said: bytes) -> None:
    async def other(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        writer.close()

    async with listening(other) as address:
        assert (await asked(address))[0] == 2


@pytest.mark.parametrize("address", ["", "50070", ":50070", "localhost", "localhost:http", "localhost:99999"])
async def test_what_is_no_address_is_said_to_be_none(address: str) -> None:
    assert (await asked(address))[0] == 2
