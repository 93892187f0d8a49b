"""One connection to Redis or Valkey, which carries whatever is in flight.

hiredis, redis-py's own codec, packs and parses. redis-py itself stays out: importing it costs a service 130 ms where
hiredis costs 1 ms, and its connections want a reading task and a timer for each command where this needs neither.
"""

import asyncio
from collections import deque
from typing import Any, Final

import hiredis

from cardnet.store.address import StoreAddress
from cardnet.store.refusal import Refusal

Command = tuple[str | bytes | int, ...]

_NOT_YET: Final = object()


class Unsent(ConnectionError):
    """There was no connection, and nothing of the command went out: the store certainly did not act."""


class StoreWire(asyncio.Protocol):
    """The life of one connection: it begins with the first command and ends with the first trouble.

    Redis answers in the order of asking, so each reply belongs to the oldest of `_in_flight`. A caller that gave up
    stays in that queue, because its reply still comes and must reach nobody else.
    """

    def __init__(self, address: StoreAddress, name: str, timeout_s: float) -> None:
        self.dropped = False
        self._loop = asyncio.get_running_loop()
        self._timeout_s = timeout_s
        self._greeted_by = self._loop.time() + timeout_s
        self._replies = hiredis.Reader(replyError=Refusal, notEnoughData=_NOT_YET)
        self._in_flight: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._unsent: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._greeted = False
        self._alarm: asyncio.TimerHandle | None = None
        self._connecting = self._loop.create_task(self._connect(address, name))

    def send(self, command: Command) -> asyncio.Future[Any]:
        """Queue a command. The future brings the reply, which may be a Refusal, or raises ConnectionError."""
        packed = pack(command)
        if self._greeted and not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(packed)
        reply: asyncio.Future[Any] = self._loop.create_future()
        deadline = self._loop.time() + self._timeout_s
        self._in_flight.append((deadline, reply))
        if self._alarm is None:
            self._alarm = self._loop.call_at(deadline, self._check_the_oldest)
        return reply

    def drop(self, answer: Refusal | None = None) -> None:
        """End the connection.

        All in flight get `answer`, or ConnectionError: whether the store acted is not known, but for Unsent.
        """
        if self.dropped:
            return
        self.dropped = True
        self._connecting.cancel()
        if self._alarm:
            self._alarm.cancel()
        if self._transport:
            self._transport.abort()
        for _, reply in self._in_flight:
            _end(reply, answer, ConnectionError() if self._greeted else Unsent())
        self._in_flight.clear()

    async def _connect(self, address: StoreAddress, name: str) -> None:
        """Connect and be let in. Only then may commands go out: a wrong user or database must not see them."""
        try:
            self._transport = transport = await address.connect(lambda: self)
            for command in address.greeting(name):
                answer = await self._send_first(transport, command)
                if isinstance(answer, Refusal):
                    self.drop(answer)
                    return
        except OSError:
            self.drop()
            return
        self._greeted = True
        self._flush()

    def _send_first(self, transport: asyncio.Transport, command: Command) -> asyncio.Future[Any]:
        """Send a command ahead of the queue, of which nothing has gone out yet."""
        reply: asyncio.Future[Any] = self._loop.create_future()
        self._in_flight.appendleft((self._greeted_by, reply))
        transport.write(pack(command))
        return reply

    def _flush(self) -> None:
        """Send all that was queued in this turn of the event loop in one write."""
        if self._transport and not self.dropped:
            self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def _check_the_oldest(self) -> None:
        """One alarm serves all commands: they may all take equally long, so the oldest is the first to be late."""
        self._alarm = None
        if not self._in_flight:
            return
        deadline, _ = self._in_flight[0]
        if deadline <= self._loop.time():
            self.drop()
        else:
            self._alarm = self._loop.call_at(deadline, self._check_the_oldest)

    def data_received(self, data: bytes) -> None:
        """Hand each reply to whoever waits for it."""
        self._replies.feed(data)
        try:
            while (reply := self._replies.gets()) is not _NOT_YET:
                if isinstance(reply, hiredis.PushNotification):
                    continue  # RESP3 may push at any time; a push answers no command
                _, waiting = self._in_flight.popleft()
                if not waiting.done():
                    waiting.set_result(reply)
        except (hiredis.ProtocolError, IndexError):  # this is no Redis, or it answered what nobody asked
            self.drop()

    def connection_lost(self, exc: Exception | None) -> None:
        """The store, or `drop`, has closed the connection."""
        self.drop()


def pack(command: Command) -> bytes:
    """A command as it goes over the wire. Raises TypeError for anything but str, bytes and numbers."""
    packed: bytes = hiredis.pack_command(command)  # type: ignore[arg-type]  # its stub means a tuple of any length
    return packed


def _end(reply: asyncio.Future[Any], answer: Refusal | None, trouble: ConnectionError) -> None:
    if reply.done():
        return
    if answer:
        reply.set_result(answer)
    else:
        reply.set_exception(trouble)
