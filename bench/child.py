"""A child process that speaks in lines."""

import asyncio
import sys
from typing import cast


class ChildEnded(Exception):
    """A child process ended before it said what was waited for. Its last words are on standard error."""


class Child:
    """Runs a module of ours. It reads its standard input and ends when that does, so it never outlives us."""

    @classmethod
    async def start(cls, *module_and_arguments: str) -> "Child":
        """Start `python -m module arguments`."""
        pipe = asyncio.subprocess.PIPE
        command = (sys.executable, "-m", *module_and_arguments)
        return cls(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe))

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """process: with pipes at both ends."""
        self._process = process
        self._to = cast(asyncio.StreamWriter, process.stdin)
        self._from = cast(asyncio.StreamReader, process.stdout)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def tell(self, line: str) -> None:
        """Say a line to it."""
        self._to.write(line.encode() + b"\n")

    async def hear(self) -> str:
        """Wait for its next line. ChildEnded if there is none."""
        line = await self._from.readline()
        if not line:
            raise ChildEnded("a child process of the bench ended early; what it said stands above")
        return line.decode().rstrip()

    async def end(self) -> None:
        """Have it end, and wait until it has."""
        self._to.close()
        await self._process.wait()
