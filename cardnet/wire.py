"""What carries bytes from one service to another. Nothing above this seam knows which wire it is.

A link takes a method, bytes, metadata and a time, and gives bytes back, once or as a stream, or raises a Fault.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Protocol

import grpc
import grpc.aio

from cardnet.border import Border
from cardnet.errors import Fault, TimedOut
from cardnet.messages import MAX_BYTES
from cardnet.status import DETAILS_KEY, fault_of, status_of

MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""The largest answer taken: traces are longer than payments."""

MAX_METADATA_BYTES = 8 * 1024
"""The most metadata that a service takes with a call, as gRPC counts them: 32 bytes more for each entry."""

CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
    # A payment is never sent twice behind our back: what was not answered is reversed.
    ("grpc.enable_retries", 0),
    # A service that comes back is found again within half a second (measured: 0.3 s against 0.9 s by default).
    ("grpc.initial_reconnect_backoff_ms", 100),
    # By its name a pause; to gRPC also the time that a connection may take to come about. One that is refused is tried
    # again after the back-off above all the same.
    ("grpc.min_reconnect_backoff_ms", 20_000),
    ("grpc.max_reconnect_backoff_ms", 500),
)

SERVER_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_BYTES),
    # gRPC refuses at random between the one and the other, so they are the same.
    ("grpc.max_metadata_size", MAX_METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
)


class Link(Protocol):
    """A way to one neighbour."""

    async def call(self, method: str, data: bytes, metadata: Mapping[str, str], timeout_s: float) -> bytes:
        """Ask and wait at most `timeout_s` seconds for the answer."""
        ...

    def stream(
        self, method: str, data: bytes, metadata: Mapping[str, str], timeout_s: float | None
    ) -> AsyncGenerator[bytes, None]:
        """Ask and take answers until there are no more; closing the generator hangs up.

        timeout_s: when to end with TimedOut; None for never.
        """
        ...

    async def close(self) -> None:
        """Let go of the neighbour."""
        ...


class GrpcLink:
    """A link over the network."""

    def __init__(self, neighbour: str, address: str) -> None:
        """neighbour: its name in errors. address: "host:port" or "unix:/path"."""
        self._neighbour = neighbour
        self._channel = grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
        self._methods: dict[str, grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]] = {}
        self._streams: dict[str, grpc.aio.UnaryStreamMultiCallable[bytes, bytes]] = {}

    async def call(self, method: str, data: bytes, metadata: Mapping[str, str], timeout_s: float) -> bytes:
        if method not in self._methods:
            self._methods[method] = self._channel.unary_unary(method)
        try:
            return await self._methods[method](data, metadata=tuple(metadata.items()), timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            raise self._fault(error) from None

    async def stream(
        self, method: str, data: bytes, metadata: Mapping[str, str], timeout_s: float | None
    ) -> AsyncGenerator[bytes, None]:
        if method not in self._streams:
            self._streams[method] = self._channel.unary_stream(method)
        call = self._streams[method](data, metadata=tuple(metadata.items()), timeout=timeout_s)
        try:
            async for answer in call:
                yield answer
        except grpc.aio.AioRpcError as error:
            raise self._fault(error) from None
        finally:
            call.cancel()  # hangs up, if there is anything left to hang up

    async def close(self) -> None:
        await self._channel.close()

    def _fault(self, error: grpc.aio.AioRpcError) -> Fault:
        details = dict(tuple(error.trailing_metadata() or ())).get(DETAILS_KEY)  # its keys() are pairs
        return fault_of(error.code(), details if isinstance(details, bytes) else None, self._neighbour)


class InProcessLink:
    """A link to a service in the same process: the same bytes, checks and faults, and no network."""

    def __init__(self, neighbour: str, border: Border) -> None:
        self._neighbour = neighbour
        self._border = border

    async def call(self, method: str, data: bytes, metadata: Mapping[str, str], timeout_s: float) -> bytes:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._border.answer(method, data, metadata, timeout_s)
        except TimeoutError:
            raise TimedOut("NEIGHBOUR_TIMED_OUT", f"the {self._neighbour} did not answer in time") from None
        except Fault as fault:
            raise self._seen(fault) from None

    async def stream(
        self, method: str, data: bytes, metadata: Mapping[str, str], timeout_s: float | None
    ) -> AsyncGenerator[bytes, None]:
        try:
            async with aclosing(self._border.stream(method, data, metadata, timeout_s)) as answers:
                async for answer in answers:
                    yield answer
        except Fault as fault:
            raise self._seen(fault) from None

    async def close(self) -> None:
        """Nothing to let go of."""

    def _seen(self, fault: Fault) -> Fault:
        # What a fault means to a caller is the same, whatever wire it comes over.
        code, _, details = status_of(fault)
        return fault_of(code, details, self._neighbour)
