"""The canary: a number that must be found nowhere, the shapes in which it might hide, and the places to look into."""

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from io import FileIO
from pathlib import Path

from patience import STORE_TIMEOUT_S

from cardnet.store import Store

PIECE, OVERLAP = 128 * 1024, 256
"""How much of a process's memory is looked at in one go, so that a needle on the edge is found by one of two looks."""
_UNTOUCHED = bytes(PIECE + OVERLAP)


def shapes(number: str) -> dict[str, bytes]:
    """A number of 16 digits in every shape that somebody might have given it, by the shape's name."""
    plain = number.encode()
    packed = bytes.fromhex(number)
    groups = [number[at : at + 4] for at in range(0, len(number), 4)]
    coded = {f"base64 at {offset}": _base64_within(plain, offset) for offset in range(3)}
    hashes = {}
    for name in ("sha1", "sha256", "sha512", "md5"):
        digest = hashlib.new(name, plain, usedforsecurity=False)
        hashes |= {f"{name} hex": digest.hexdigest().encode(), f"{name} raw": digest.digest()}
    return {
        "plain": plain,
        "spaced": " ".join(groups).encode(),
        "dashed": "-".join(groups).encode(),
        "backwards": plain[::-1],
        "UTF-16": number.encode("utf-16-le"),
        "UTF-32": number.encode("utf-32-le"),
        **coded,
        "hex": plain.hex().encode(),
        "HEX": plain.hex(" ").upper().encode(),
        "packed BCD": packed,
        "packed BCD, base64": base64.b64encode(packed).rstrip(b"="),
        "URL-encoded": "".join(f"%{byte:02X}" for byte in plain).encode(),
        "varint": _varint(int(number)),
        "big-endian": int(number).to_bytes(8, "big"),
        "little-endian": int(number).to_bytes(8, "little"),
        "without its last four": plain[:12],
        **hashes,
    }


def shapes_of_key(key: bytes) -> dict[str, bytes]:
    """A key in the shapes in which keys are written down."""
    coded = base64.b64encode(key).rstrip(b"=")
    return {
        "raw": key,
        "hex": key.hex().encode(),
        "HEX": key.hex().upper().encode(),
        "base64": coded,
        "base64url": coded.replace(b"+", b"-").replace(b"/", b"_"),
    }


def alone(haystack: bytes, digits: str) -> bool:
    """Whether digits stand somewhere by themselves: so few stand by chance within longer numbers."""
    return re.search(rb"(?<![0-9A-Za-z])%s(?![0-9A-Za-z])" % digits.encode(), haystack) is not None


def found(haystack: bytes, needles: Mapping[str, bytes]) -> set[str]:
    """The names of the needles that are in a haystack."""
    return {name for name, needle in needles.items() if needle in haystack}


def memory(pid: int) -> Iterator[bytes]:
    """All that a process can read and write in its memory, region by region. Linux only."""
    with FileIO(f"/proc/{pid}/mem") as mem:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            region = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if region:
                yield from _region(mem, int(region[1], 16), int(region[2], 16))


def found_in_memory(pid: int, needles: Mapping[str, bytes]) -> set[str]:
    """The names of the needles that are in a process's memory."""
    names: set[str] = set()
    for region in memory(pid):
        names |= found(region, {name: needle for name, needle in needles.items() if name not in names})
    return names


async def store_contents(url: str) -> bytes:
    """Every key of a store and all that stands under it, as bytes in a row, whatever its type."""
    store = Store(url, owner="test", timeout_s=STORE_TIMEOUT_S)
    pieces: list[bytes] = []
    cursor = b"0"
    while True:
        cursor, keys = await store.command("SCAN", cursor, "COUNT", 1000)
        for key in keys:
            kind = await store.command("TYPE", key)
            if kind != b"none":  # it may be gone since: services still run
                pieces += [key, *_flat(await store.command(*_reading(kind, key)))]
        if cursor == b"0":
            break
    pieces += _flat(await store.command("FUNCTION", "LIST", "WITHCODE"))
    await store.close()
    return b"\n".join(pieces)


def _reading(kind: bytes, key: bytes) -> tuple[str | bytes, ...]:
    """The command that reads a whole value of a kind; a kind that is not known here is an error, not a gap."""
    commands: dict[bytes, tuple[str | bytes, ...]] = {
        b"string": ("GET", key),
        b"hash": ("HGETALL", key),
        b"set": ("SMEMBERS", key),
        b"list": ("LRANGE", key, "0", "-1"),
        b"zset": ("ZRANGE", key, "0", "-1", "WITHSCORES"),
        b"stream": ("XRANGE", key, "-", "+"),
    }
    return commands[kind]


def _flat(value: object) -> Iterator[bytes]:
    match value:
        case dict():
            for name, content in value.items():
                yield from (*_flat(name), *_flat(content))
        case list() | tuple() | set() | frozenset():
            for one in value:
                yield from _flat(one)
        case bytes():
            yield value
        case _:
            yield str(value).encode()


def _region(mem: FileIO, start: int, end: int) -> Iterator[bytes]:
    for at in range(start, end, PIECE):
        mem.seek(at)
        with suppress(OSError):  # a region may go while we look
            piece = mem.read(min(end, at + PIECE + OVERLAP) - at)
            if piece != _UNTOUCHED[: len(piece)]:  # most of it was set aside and never used
                yield piece


def _base64_within(data: bytes, offset: int) -> bytes:
    """What base64 makes of data that begin at an offset within a longer text: the part that depends on them alone."""
    coded = base64.b64encode(bytes(offset) + data)
    first = -(-offset * 8 // 6)
    return coded[first : (offset + len(data)) * 8 // 6]


def _varint(number: int) -> bytes:
    pieces = bytearray()
    while number > 0x7F:
        pieces.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*pieces, number))
