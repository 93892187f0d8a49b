"""Whether a service serves, asked at its plain health door: python -m cardnet.health HOST:PORT. For container engines.

Exit codes: 0 SERVING, 1 it says that it does not serve, 2 it says nothing.

One gRPC call, written out by hand (RFC 9113; gRPC over HTTP/2), for it is made every few seconds for each container:
to load grpc for it costs 0.2 s of a processor, this a tenth.
"""

import socket
import sys
from collections.abc import Iterator, Sequence

TIMEOUT_S = 3.0

_DATA, _HEADERS, _SETTINGS = 0, 1, 4
_ACK, _END_STREAM, _END_HEADERS = 1, 1, 4
_HEAD = {
    ":method": "POST",
    ":scheme": "http",
    ":path": "/grpc.health.v1.Health/Check",
    ":authority": "health",
    "content-type": "application/grpc",
    "te": "trailers",
}
_EMPTY_REQUEST = b"\x00" + bytes(4)  # not compressed, no bytes: the health of the whole
_ANSWERS = {b"\x08\x01": ("SERVING", 0), b"\x08\x02": ("NOT_SERVING", 1)}  # the field `status` of HealthCheckResponse


def main(arguments: Sequence[str]) -> int:
    """Ask once. arguments: host:port."""
    host, _, port = (arguments or [""])[0].rpartition(":")
    if len(arguments) != 1 or not host or not port.isdecimal():
        print("usage: python -m cardnet.health HOST:PORT", file=sys.stderr)
        return 2
    try:
        answer = _ask(host.strip("[]"), int(port))
    except (OSError, OverflowError) as problem:
        print(problem, file=sys.stderr)
        return 2
    said, code = _ANSWERS.get(answer, ("no answer that a health service gives", 2))
    print(said)
    return code


def _ask(host: str, port: int) -> bytes:
    """The message that answers; empty for none. OSError when nobody answers in time."""
    with socket.create_connection((host, port), TIMEOUT_S) as connection:
        connection.settimeout(TIMEOUT_S)
        connection.sendall(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + _frame(_SETTINGS, 0, 0)
            + _frame(_HEADERS, _END_HEADERS, 1, b"".join(map(_header, _HEAD, _HEAD.values())))
            + _frame(_DATA, _END_STREAM, 1, _EMPTY_REQUEST)
        )
        for kind, flags, stream, content in _frames(connection):
            if kind == _SETTINGS and not flags & _ACK:
                connection.sendall(_frame(_SETTINGS, _ACK, 0))
            elif stream == 1 and kind == _DATA:
                return content[len(_EMPTY_REQUEST) :]
            elif stream == 1 and flags & _END_STREAM:  # trailers alone: a refusal
                return b""
    return b""


def _frame(kind: int, flags: int, stream: int, content: bytes = b"") -> bytes:
    return len(content).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + content


def _header(name: str, value: str) -> bytes:
    """A field as HPACK takes it without any table: a literal, never indexed (RFC 7541, 6.2.2)."""
    return b"\x00" + bytes((len(name),)) + name.encode() + bytes((len(value),)) + value.encode()


def _frames(connection: socket.socket) -> Iterator[tuple[int, int, int, bytes]]:
    """Type, flags, stream and content of each frame, until the other side hangs up."""
    with connection.makefile("rb") as incoming:
        while len(head := incoming.read(9)) == 9:
            content = incoming.read(int.from_bytes(head[:3], "big"))
            yield head[3], head[4], int.from_bytes(head[5:], "big") & 0x7FFFFFFF, content


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
