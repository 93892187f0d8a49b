"""Instances of a service that count what they are asked, and die, hang up or refuse as a test wants. Real gRPC."""

import asyncio
from contextlib import suppress
from typing import Any, Self

import grpc
import grpc.aio
from mint import Folder

from cardnet.testing.ports import Ports

ATTEMPTS_BEFORE = "grpc-previous-rpc-attempts"


class Instance:
    """Answers every method with its own name, and writes down method and metadata of each call."""

    def __init__(self, name: str = "one", *, age_ms: int = 0, shown: Folder | None = None) -> None:
        """shown: its certificate; None for plain text."""
        self._shown = shown
        self.name = name
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.arrivals: asyncio.Queue[None] = asyncio.Queue()
        self.refuse: Any = None
        """What to do with a call in place of answering: a coroutine function of its context."""
        self._options = (("grpc.so_reuseport", 0), *((("grpc.max_connection_age_ms", age_ms),) if age_ms else ()))
        self.port = 0

    async def start(self, host: str = "127.0.0.1") -> Self:
        self._server = grpc.aio.server(options=self._options)
        self._server.add_generic_rpc_handlers([self])
        address = f"{host}:{self.port}"
        if self._shown:
            pairs = [(self._shown.key, self._shown.certificate)]
            with_ = grpc.ssl_server_credentials(pairs, self._shown.authorities, True)
            self.port = self._server.add_secure_port(address, with_)
        else:
            self.port = self._server.add_insecure_port(address)
        await self._server.start()
        return self

    async def stop(self) -> None:
        await self._server.stop(
            2
        )  # what it answers is answered first: gRPC 1.78 can crash where calls are cut off here

    def service(self, details: Any) -> Any:
        """What gRPC asks for each call: who is to answer it."""

        async def answer(_data: bytes, context: grpc.aio.ServicerContext) -> bytes:
            self.asked.append((details.method, dict(details.invocation_metadata)))
            self.arrivals.put_nowait(None)
            if self.refuse:
                await self.refuse(context)
            return self.name.encode()

        return grpc.unary_unary_rpc_method_handler(answer)


class Cutting:
    """Passes bytes on to an instance, and cuts the connection once a call has been passed on, or all at once."""

    def __init__(self, instance: Any, cuts: int = 0) -> None:
        """cuts: how many calls it cuts off, one after the other, before it lets one be."""
        self._instance, self._cuts = instance, cuts
        self._cut = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()
        self._carrying: set[asyncio.Task[Any] | None] = set()
        self._ports = Ports()  # kept, so that nobody else takes it before it listens again
        self.address = self._ports.take()
        self._port = int(self.address.rpartition(":")[2])

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self._port, reuse_port=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._last_comes_in()
        self.die()
        while self._carrying:  # one that was on its way to the instance has a connection that is to be closed, too
            await asyncio.wait([task for task in self._carrying if task])
        self._ports.release()

    async def _last_comes_in(self) -> None:
        """Wait until whoever has knocked is let in: asyncio never closes what it accepts while it stops listening."""
        if not self._server.is_serving():
            return
        _, ours = await asyncio.open_connection("127.0.0.1", self._port)
        name = ours.get_extra_info("sockname")
        while name not in {one.get_extra_info("peername") for one in self._open}:  # noqa: ASYNC110 - it takes a turn or two
            await asyncio.sleep(0)
        ours.transport.abort()

    async def before_answering(self, _context: Any = None) -> None:
        """What an instance does that is not to answer a call before it has been cut off."""
        if self._cuts:
            await self._cut.wait()

    def die(self) -> None:
        """Nobody listens any more, and all that was open is cut off."""
        self._server.close()
        for writer in self._open:
            writer.transport.abort()

    async def come_back(self) -> None:
        """Listen again, where it did."""
        await self.__aenter__()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._carrying.add(task := asyncio.current_task())
        try:
            await self._both_ways(reader, writer)
        finally:
            self._carrying.discard(task)

    async def _both_ways(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._instance.port)
        self._open.add(to_writer)
        ways = [_pump(reader, to_writer), _pump(to_reader, writer), self._arrival()]
        tasks = [asyncio.ensure_future(way) for way in ways]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for one in (writer, to_writer):
            one.transport.abort()
            self._open.discard(one)
        self._cut.set()
        self._cut = asyncio.Event()

    async def _arrival(self) -> None:
        """Wait until a call that is to be cut off has reached the instance."""
        if not self._cuts:
            await asyncio.Event().wait()
        await self._instance.arrivals.get()
        self._cuts -= 1


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


class Names:
    """A name server of one name, which stands for the addresses that the test says: RFC 1035, type A alone."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked = 0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: _Answering(self), ("127.0.0.1", 0))
        self.port = self._transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._transport.close()

    def answer(self, question: bytes) -> bytes:
        end = question.index(b"\0", 12) + 5
        of_type_a = question[end - 4 : end - 2] == b"\0\1"
        found = self.addresses if of_type_a else []
        self.asked += of_type_a
        head = question[:2] + b"\x84\x00\0\1" + len(found).to_bytes(2, "big") + bytes(4)
        records = (b"\xc0\x0c\0\1\0\1" + bytes(4) + b"\0\4" + bytes(map(int, one.split("."))) for one in found)
        return head + question[12:end] + b"".join(records)


class _Answering(asyncio.DatagramProtocol):
    def __init__(self, names: Names) -> None:
        self._names = names

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        self._transport.sendto(self._names.answer(data), address)
