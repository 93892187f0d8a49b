"""A shop's HTTP server on loopback: takes what is posted to it, and answers as a test says."""

import asyncio
import socket
from typing import Any, NamedTuple, Self

from patience import ample


class Posted(NamedTuple):
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


class Receiver:
    """Answers 204, but for what stands in `answers`: each is taken once, in turn.

    An answer is a status, with headers if need be: "429 Too Many\r\nretry-after: 7", or "hang", "hang up", "endless" or
    "drip", which is as long but comes slowly.
    """

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.got: list[Posted] = []
        self._socket = socket.socket()  # of its own from now on, though nobody is there before it is entered
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.connections = 0
        self._arrived = asyncio.Condition()
        self._open: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, sock=self._socket)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook/secret-path"

    async def until(self, number: int) -> list[Posted]:
        """What was posted, once it is so many."""
        async with ample(), self._arrived:
            await self._arrived.wait_for(lambda: len(self.got) >= number)
        return self.got

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        self.connections += 1
        try:
            while await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        verb, path, _ = first.split(" ")
        assert verb == "POST"
        self.got.append(Posted(path, headers, body))
        async with self._arrived:
            self._arrived.notify_all()
        answer = self.answers.pop(0) if self.answers else "204 No Content"
        if answer == "hang":
            await asyncio.Event().wait()
        if answer == "hang up":
            return False
        if answer in ("endless", "drip"):
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            while True:
                writer.write(b"1000\r\n" + bytes(0x1000) + b"\r\n" if answer == "endless" else b"1\r\nx\r\n")
                await writer.drain()
                await asyncio.sleep(0.05 if answer == "drip" else 0)
        writer.write(f"HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n".encode())
        await writer.drain()
        return True
