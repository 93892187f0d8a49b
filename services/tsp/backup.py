"""A copy of the vault as it is stored: ciphertext, wrapped keys and what is beside them.

    header   "cardnet.backup.v1" and a line end
    rows     one for each key of the store: its type (1 byte), its name, how many parts its value has, the parts; every
             text with its length before it (4 bytes, big end first)
    end      a zero byte, then the HMAC-SHA256 of all before it, under a key that the key-encryption key gives

It travels in chunks that are cut anywhere. What comes back is kept aside, sealed as it is, until its MAC was found
right; only then does it go into the store. A copy that was cut short, altered or put together from two is refused.
"""

import hashlib
import hmac
import tempfile
from collections.abc import AsyncIterator, Iterator
from typing import IO

from cardnet.rules import MOST_SEALED_BYTES
from cardnet.store import Store
from services.tsp.browser.tokens import is_browser_card
from services.tsp.kek import derived
from services.tsp.turns import is_turn

_HEADER = b"cardnet.backup.v1\n"
_END = b"\0"
_MAC = 32
_LENGTH = 4
_AT_ONCE = 128

PATTERN = "tsp:*"
OF_THE_RUN = frozenset({"tsp:{keyring}:instances", "tsp:{keyring}:restoring"})
"""What belongs to the processes that run, and not to the vault; their turns do too, and browser tokens, which would
come back without their end."""

_TYPES = {b"string": b"s", b"hash": b"h", b"set": b"m", b"list": b"l", b"zset": b"z"}
_WRITES = {b"s": "SET", b"h": "HSET", b"m": "SADD", b"l": "RPUSH", b"z": "ZADD"}


class NotABackup(Exception):  # noqa: N818 - it names what is so
    """The rows are not as they were backed up, or their key-encryption key is another one."""


async def copied(store: Store, kek: bytes) -> AsyncIterator[tuple[bytes, int]]:
    """The vault in chunks that a message has room for, each with how many keys of the store ended in it.

    What changes meanwhile is in the copy as it was before or after; each key of the store is whole.
    """
    mac = hmac.new(derived(kek, b"backup"), digestmod=hashlib.sha256)
    pending, count = bytearray(_HEADER), 0
    async for name in names_of(store):
        row = await _row(store, name)
        pending += row
        count += bool(row)
        for chunk in _whole(pending):
            mac.update(chunk)
            yield chunk, count
            count = 0
    pending += _END
    mac.update(pending)
    pending += mac.digest()
    for chunk in _whole(pending):
        yield chunk, count
        count = 0
    yield bytes(pending), count


def begins(chunk: bytes) -> bool:
    """Whether a chunk is the first of a backup."""
    return chunk.startswith(_HEADER)


async def names_of(store: Store) -> AsyncIterator[str]:
    """The keys of the store that make up the vault, each once at least."""
    async for names in store.names(PATTERN):
        for name in names:
            if not _of_the_run(name.decode()):
                yield name.decode()


class Restoration:
    """What was backed up, coming back in chunks."""

    def __init__(self, kek: bytes) -> None:
        self._mac = hmac.new(derived(kek, b"backup"), digestmod=hashlib.sha256)
        self._aside: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed by `end`
        self._tail = b""

    def add(self, chunk: bytes) -> None:
        """Take the next chunk."""
        self._aside.write(chunk)
        tail = self._tail + chunk
        self._mac.update(tail[:-_MAC])
        self._tail = tail[-_MAC:]

    def verify(self) -> None:
        """That was the last chunk. NotABackup unless all of it is as it was backed up under this key."""
        if not hmac.compare_digest(self._mac.digest(), self._tail):
            raise NotABackup

    async def put_back(self, store: Store) -> None:
        """Empty the vault and write every row. Repeat it after a fault."""
        async for name in names_of(store):
            await store.command("DEL", name)
        self._aside.seek(0)
        if self._aside.read(len(_HEADER)) != _HEADER:
            raise NotABackup
        for kind, key, parts in self._rows():
            await store.command("DEL", key)  # a key may come twice: the later row is the whole value
            for start in range(0, len(parts), _AT_ONCE):
                await store.command(_WRITES[kind], key, *parts[start : start + _AT_ONCE])

    def end(self) -> None:
        """Forget it all."""
        self._aside.close()

    def _rows(self) -> Iterator[tuple[bytes, bytes, list[bytes]]]:
        while (kind := self._aside.read(1)) != _END:
            name = self._text()
            count = int.from_bytes(self._aside.read(_LENGTH), "big")
            yield kind, name, [self._text() for _ in range(count)]

    def _text(self) -> bytes:
        return self._aside.read(int.from_bytes(self._aside.read(_LENGTH), "big"))


def _of_the_run(name: str) -> bool:
    return name in OF_THE_RUN or is_turn(name) or is_browser_card(name)


def _whole(pending: bytearray) -> Iterator[bytes]:
    """The full chunks at the beginning of what is pending, taken from it."""
    while len(pending) > MOST_SEALED_BYTES:
        yield bytes(pending[:MOST_SEALED_BYTES])
        del pending[:MOST_SEALED_BYTES]


async def _row(store: Store, name: str) -> bytes:
    """A key of the store as a row; nothing if it is gone meanwhile."""
    kind = _TYPES.get(await store.command("TYPE", name))
    parts = await _parts(store, kind, name) if kind else []
    if not kind or not parts:
        return b""
    return kind + _text(name.encode()) + len(parts).to_bytes(_LENGTH, "big") + b"".join(map(_text, parts))


async def _parts(store: Store, kind: bytes, name: str) -> list[bytes]:
    """A value as the arguments of the command that writes it."""
    match kind:
        case b"s":
            value: bytes | None = await store.command("GET", name)
            return [] if value is None else [value]
        case b"h":
            fields: dict[bytes, bytes] = await store.command("HGETALL", name)
            return [part for pair in fields.items() for part in pair]
        case b"m":
            return list(await store.command("SMEMBERS", name))
        case b"l":
            return list(await store.command("LRANGE", name, 0, -1))
        case _:
            scored = await store.command("ZRANGE", name, 0, -1, "WITHSCORES")
            return [part for member, score in scored for part in (repr(score).encode(), member)]


def _text(text: bytes) -> bytes:
    return len(text).to_bytes(_LENGTH, "big") + text
