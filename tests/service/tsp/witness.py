"""A way to an instance by which a test sees that somebody is answered by it, whatever else he is connected to."""

import asyncio
from contextlib import suppress
from typing import Self

ANSWERS_B = 4096
"""More bytes than the greetings and pings of a connection come to: so many are answers."""


class Witness:
    """Passes bytes on to a port of this machine, and counts those that come back."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._came_back = 0
        self._more = asyncio.Condition()
        self._carrying: set[asyncio.Task[None]] = set()
        self.address = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._let_in, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._carrying:
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)

    async def sees_answers(self) -> None:
        """Wait until the instance has given some more answers."""
        async with self._more:
            enough = self._came_back + ANSWERS_B
            await self._more.wait_for(lambda: self._came_back >= enough)

    def _let_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Both ways, until either end is gone; who knocks while the instance is away is sent away."""
        try:
            with suppress(ConnectionError):
                to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._port)
                try:
                    ways = [
                        asyncio.create_task(way) for way in (_pump(reader, to_writer), self._back(to_reader, writer))
                    ]
                    await _until_one_ends(ways)
                finally:
                    to_writer.transport.abort()
        finally:
            writer.transport.abort()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
            async with self._more:
                self._came_back += len(data)
                self._more.notify_all()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()


async def _until_one_ends(ways: list[asyncio.Task[None]]) -> None:
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
