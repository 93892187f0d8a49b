"""A server that misbehaves on demand, for a real one would not."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import hiredis

Part = Callable[[list[bytes]], bytes | None]
"""What the actor says to a command; None hangs up."""


class Actor:
    """A server that greets as Redis does and then plays its part."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self.heard: list[list[bytes]] = []
        self.conversations: list[asyncio.Task[None]] = []
        self.writers: list[asyncio.StreamWriter] = []

    @property
    def connections(self) -> int:
        return len(self.conversations)

    def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        self.conversations.append(asyncio.create_task(self._converse(reader, writer)))

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        commands = hiredis.Reader(notEnoughData=None)
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                commands.feed(data)
                for command in iter(commands.gets, None):
                    answer = self._answer(command)
                    if answer is None:
                        writer.transport.abort()
                        return
                    writer.write(answer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    def _answer(self, command: list[bytes]) -> bytes | None:
        if command[0] == b"HELLO":
            return b"%1\r\n+proto\r\n:3\r\n"
        self.heard.append(command)
        return self._part(command)
