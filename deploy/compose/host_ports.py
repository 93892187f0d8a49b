"""The host's ports, and where they lead: `python host_ports.py 50051=merchant:50051 50054=tsp:50054`.

A port of the host belongs to one container, so services that may have several instances publish none. Connections are
passed on here, each to the next instance that answers. Nothing is read on the way: TLS ends at the service.
"""

import asyncio
import signal
import socket
import sys
from contextlib import suppress
from functools import partial
from itertools import count

CONNECT_S = 1.0
"""How long an instance may take to answer before the next one is tried."""

BLOCK = 64 * 1024

_turns = count()


async def main(ports: list[str]) -> None:
    """Pass connections on until told to stop."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    servers = [await _open(port) for port in ports]
    await stop.wait()
    for server in servers:
        server.close()


async def _open(lead: str) -> asyncio.Server:
    port, _, target = lead.partition("=")
    host, _, at = target.rpartition(":")
    return await asyncio.start_server(partial(_serve, host, int(at)), "0.0.0.0", int(port))  # noqa: S104 - a container's


async def _serve(host: str, port: int, visitor: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
    inside = await _reach(host, port)
    if inside is None:
        back.close()
        return
    answers, onwards = inside
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_pass_on(visitor, onwards))
            both.create_task(_pass_on(answers, back))
    except* OSError:  # a connection that broke is one that ended
        pass


async def _reach(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    """A connection to one of the instances that the name stands for at this moment; another one each time."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return None
    turn = next(_turns) % len(found)
    for *_, address in (*found[turn:], *found[:turn]):
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(CONNECT_S):
                return await asyncio.open_connection(str(address[0]), port)
    return None


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until one side hangs up; then the other is hung up on, too."""
    try:
        while data := await reader.read(BLOCK):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
