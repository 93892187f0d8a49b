"""One server, alone or in a cluster: the connection to it, and our functions in it."""

import asyncio
from typing import Any

from cardnet.store.address import StoreAddress
from cardnet.store.refusal import Refusal
from cardnet.store.wire import Command, StoreWire, Unsent


class Node:
    """A single connection, made when it is needed, on which many commands are in flight at once.

    Every coroutine gives the reply, which may be a Refusal, and raises ConnectionError when none came.
    """

    def __init__(self, address: StoreAddress, script: str, name: str, timeout_s: float) -> None:
        """script: the functions. name: how the connection is called in CLIENT LIST."""
        self.address = address
        self._script = script
        self._name = name
        self._timeout_s = timeout_s
        self._wire: StoreWire | None = None
        self._loading: asyncio.Task[Any] | None = None
        self._closed = False

    @property
    def connected(self) -> bool:
        """Whether there is a connection that nothing is known against."""
        return self._wire is not None and not self._wire.dropped

    def send(self, command: Command) -> asyncio.Future[Any]:
        """Send a command, on a new connection if there is none."""
        wire = self._wire
        if self._closed:
            return _unsent()
        if wire is None or wire.dropped:
            wire = self._wire = StoreWire(self.address, self._name, self._timeout_s)
        return wire.send(command)

    async def ask(self, command: Command, *, importing: bool = False) -> Any:
        """Send a command. One that calls functions which the server lost is sent again with them: nothing was done.

        importing: whether the command's slot is just being moved to this server.
        """
        send = self._send_while_importing if importing else self.send
        reply = await send(command)
        if isinstance(reply, Refusal) and reply.script_missing:
            loaded = await self.load()
            return loaded if isinstance(loaded, Refusal) else await send(command)
        return reply

    async def load(self) -> Any:
        """Load the functions. Of a hundred callers that miss them, one loads and all share the outcome."""
        if self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(self._load())
        return await asyncio.shield(self._loading)

    async def open(self) -> Any:
        """Connect and load the functions."""
        pong = await self.send(("PING",))
        return pong if isinstance(pong, Refusal) else await self.load()

    async def ping(self) -> Any:
        """Whether it takes commands at this moment."""
        return await self.send(("PING",)) == b"PONG"

    async def scan(self, cursor: str | bytes, pattern: str, count: int) -> Any:
        """One step of a search among the names of the keys: where to go on, b"0" for nowhere, and the names found."""
        return await self.send(("SCAN", cursor, "MATCH", pattern, "COUNT", count))

    async def layout(self) -> Any:
        """How the keys are spread over servers: here they never move."""
        return ()

    def drop(self) -> None:
        """Drop the connection, for good: who asks now connects no more, as nobody would ever drop that connection."""
        self._closed = True
        if self._wire:
            self._wire.drop()

    async def close(self) -> None:
        """Drop the connection, and let the event loop close the socket in its next turn."""
        self.drop()
        await asyncio.sleep(0)

    async def _load(self) -> Any:
        # By its digest a script can only be called by somebody who has its text. Redis's own Functions are called by
        # name, and whoever may load one may replace another service's.
        return await self.send(("SCRIPT", "LOAD", self._script))

    async def _send_while_importing(self, command: Command) -> Any:
        # Queued in one go, so that nothing comes between the two: ASKING is good for the next command alone.
        allowed: Any
        reply: Any
        allowed, reply = await asyncio.gather(self.send(("ASKING",)), self.send(command), return_exceptions=True)
        if isinstance(reply, ConnectionError):
            raise reply
        refused = isinstance(allowed, Refusal) and isinstance(reply, Refusal)
        return allowed if refused else reply  # why it was sent away says the first


def _unsent() -> asyncio.Future[Any]:
    reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    reply.set_exception(Unsent())
    return reply
