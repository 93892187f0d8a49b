"""A gRPC client of just what a load needs: it takes a tenth of a core where grpcio's takes half of one.

One HTTP/2 connection (RFC 9113), one unary method, small messages. Response headers are not read: an answer is a
message that parses, and a stream that ends without one is a fault. The first request's headers go into the server's
HPACK table (RFC 7541), so each later one is a byte for each header, as grpcio's are.
"""

import asyncio
import ssl
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Generic, TypeVar, cast

from google.protobuf.message import Message

from cardnet.certificates import AUTHORITIES, CERTIFICATE, KEY

DEADLINE = "10S"

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
_GREATEST_WINDOW = 2**31 - 1
_INITIAL_WINDOW_SIZE = 4  # the setting's number
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_STATIC = b"\x83\x86"  # :method POST and :scheme http stand in HPACK's static table


A = TypeVar("A", bound=Message)


def _mutual(folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(folder / AUTHORITIES))
    context.load_cert_chain(folder / CERTIFICATE, folder / KEY)
    context.set_alpn_protocols(["h2"])
    return context


class Unanswered(Exception):
    """The server answered with a fault, or not at all."""


class UnaryClient(asyncio.Protocol, Generic[A]):
    """A connection to a service, for one method alone. Let go of it with `close`."""

    @classmethod
    async def connect(
        cls,
        address: str,
        method: str,
        answer: type[A],
        metadata: Mapping[str, str] | None = None,
        identity: tuple[str, Path] | None = None,
    ) -> "UnaryClient[A]":
        """Connect to host:port. method: a gRPC path. answer: what it gives. metadata: goes with every call.

        identity: the service's name, and the folder of ours (cardnet/certificates.py); None for plain text. OSError.
        """
        host, _, port = address.rpartition(":")
        neighbour, tls = (identity[0], _mutual(identity[1])) if identity else (None, None)
        _, client = await asyncio.get_running_loop().create_connection(
            lambda: cls(address, method, answer, metadata or {}), host, int(port), ssl=tls, server_hostname=neighbour
        )
        return client

    def __init__(self, address: str, method: str, answer: type[A], metadata: Mapping[str, str]) -> None:
        names = {
            ":path": method,
            ":authority": address,
            "te": "trailers",
            "content-type": "application/grpc",
            "grpc-timeout": DEADLINE,
            **metadata,
        }
        self._method = method
        self._answer = answer
        self._headers = _STATIC + b"".join(_literal(name, value) for name, value in names.items())
        # The table's newest entry is 62, and ours are the only ones.
        self._indexed = _STATIC + bytes(0x80 | 62 + place for place in reversed(range(len(names))))
        self._next_stream = 1
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._bodies: dict[int, bytes] = {}
        self._received = b""
        self._transport: asyncio.Transport

    async def ask(self, request: Message) -> A:
        """Ask. Unanswered if a fault comes back."""
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        message = request.SerializeToString()
        head, self._headers = self._headers, self._indexed
        self._transport.write(
            _frame(HEADERS, END_HEADERS, stream, head)
            + _frame(DATA, END_STREAM, stream, struct.pack(">BI", 0, len(message)) + message)
        )
        answer = self._waiting[stream] = asyncio.get_running_loop().create_future()
        return self._answer.FromString(await answer)

    def close(self) -> None:
        """Let go of the server."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the server, and let it send as much as it likes."""
        self._transport = cast(asyncio.Transport, transport)
        settings = struct.pack(">HI", _INITIAL_WINDOW_SIZE, _GREATEST_WINDOW)
        grown = struct.pack(">I", _GREATEST_WINDOW - 65_535)
        self._transport.write(_PREFACE + _frame(SETTINGS, 0, 0, settings) + _frame(WINDOW_UPDATE, 0, 0, grown))

    def data_received(self, data: bytes) -> None:
        """Take whole frames; what is left waits for the rest."""
        received, at = self._received + data, 0
        while len(received) - at >= 9:
            size = int.from_bytes(received[at : at + 3], "big")
            if len(received) - at - 9 < size:
                break
            kind, flags, stream = struct.unpack_from(">BBI", received, at + 3)
            self._take(kind, flags, stream, received[at + 9 : at + 9 + size])
            at += 9 + size
        self._received = received[at:]

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody will answer any more."""
        for stream in list(self._waiting):
            self._end(stream, b"")

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == DATA:
            self._bodies[stream] = self._bodies.get(stream, b"") + payload
        elif kind in (SETTINGS, PING) and not flags & ACK:
            self._transport.write(_frame(kind, ACK, 0, payload if kind == PING else b""))
        elif kind == GOAWAY:
            self._transport.close()
        if kind == RST_STREAM or (kind in (DATA, HEADERS) and flags & END_STREAM):
            self._end(stream, self._bodies.pop(stream, b""))

    def _end(self, stream: int, body: bytes) -> None:
        answer = self._waiting.pop(stream, None)
        if answer is None or answer.done():
            return
        if len(body) > 5:
            answer.set_result(body[5:])  # after a flag and the message's length
        else:
            answer.set_exception(Unanswered(f"{self._method} was answered with a fault"))


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">IBI", len(payload) << 8 | kind, flags, stream) + payload


def _literal(name: str, value: str) -> bytes:
    """A header for the server's table, with a new name; both shorter than 127 bytes."""
    return b"\x40" + b"".join(bytes((len(text),)) + text.encode() for text in (name, value))
