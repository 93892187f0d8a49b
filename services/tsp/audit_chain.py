"""The audit log on disk: one event a line, each line's MAC over the line and the MAC before it.

    {"at":"…","caller":"network","key":1,"op":"detokenise","ref":"…","result":"00","seq":7,…,"h":"<MAC>"}

So nobody without the key can alter a line, take one out or put one in. Several processes may append to one file: each
locks it for a batch, reads on from where it was, appends, syncs and unlocks. What stands after the last line end is of
a writer that was stopped, and is cut off.
"""

import fcntl
import hmac
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

log = logging.getLogger("cardnet")

Mac = Callable[[bytes, int | None], tuple[int, bytes]]
"""Gives the number of a key and the MAC with it; with the present key for None. KeyError for one that is not there."""

_encoded = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode

_BLOCK = 1 << 20
_TAIL = len(',"h":"') + 64 + len('"}')


class ChainBroken(Exception):  # noqa: N818 - what is so; the caller decides whom that is a fault to
    """The log is not as it was written. line: the first that is not. why: half a sentence."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line} of the audit log {why}")
        self.line = line
        self.why = why


class ForeignChain(Exception):  # noqa: N818 - likewise
    """The log is another vault's."""


class Line(NamedTuple):
    """What a line says, as far as the vault must know."""

    op: str
    ref: str
    version: int
    at: str


class AuditChain:
    """A file that is appended to under its lock. Blocks; every method may raise OSError or ChainBroken."""

    def __init__(self, path: Path, vault: str, mac: Mac, *, looking_only: bool = False) -> None:
        """vault: tells one vault's log from another's. looking_only: for who verifies and never appends."""
        self._path = path
        self._vault = vault
        self._mac = mac
        self._looking_only = looking_only
        self._seq = 0
        self._end = 0
        self._last = b""
        flags = os.O_RDONLY if looking_only else os.O_RDWR | os.O_APPEND | os.O_CREAT
        self._file = os.open(path, flags | os.O_CLOEXEC, 0o600)

    @property
    def length(self) -> int:
        """How many lines were read or written."""
        return self._seq

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def read(self) -> Iterator[Line]:
        """What was appended since the last look, each line verified. ForeignChain if the log is another vault's."""
        with self._locked():
            size = os.fstat(self._file).st_size
        yield from self._lines(size)  # most of it without the lock, for others append meanwhile
        if not self._looking_only:
            with self._locked():
                yield from self._catch_up()
        elif size > self._end:
            raise ChainBroken(self._seq + 1, "is torn, as by a crash; the next start cuts it off")

    def append(self, events: Sequence[dict[str, Any]]) -> list[Line]:
        """Append events and see them on disk; gives what others appended before. After an OSError nothing was."""
        with self._locked():
            others = list(self._catch_up())
            key, _ = self._mac(b"", None)
            last, lines = self._last, []
            for seq, event in enumerate(events, self._seq + 1):
                line, last = self._line(event | {"seq": seq, "key": key}, last)
                lines.append(line)
            data = b"".join(lines)
            try:
                _write(self._file, data)
                os.fsync(self._file)
            except OSError:
                with suppress(OSError):  # what cannot be cut off now is read at the next look, or cut off then
                    os.ftruncate(self._file, self._end)
                raise
            self._last, self._seq, self._end = last, self._seq + len(lines), self._end + len(data)
        return others

    def _line(self, facts: dict[str, Any], last: bytes) -> tuple[bytes, bytes]:
        """A line, and its MAC."""
        if facts["seq"] == 1:
            facts = facts | {"vault": self._vault}
        body = _encoded(facts).encode()
        _, mac = self._mac(last + body, facts["key"])
        return body[:-1] + b',"h":"' + mac.hex().encode() + b'"}\n', mac

    def _catch_up(self) -> Iterator[Line]:
        """Read on to the end, which the lock keeps still, and cut off what is no whole line."""
        size = os.fstat(self._file).st_size
        yield from self._lines(size)
        if size > self._end:
            log.warning("the audit log's last line was torn, as by a crash: %d bytes were cut off", size - self._end)
            os.ftruncate(self._file, self._end)

    def _lines(self, size: int) -> Iterator[Line]:
        if size < self._end:
            raise ChainBroken(self._seq, "is gone: the log was cut")
        rest, at = b"", self._end
        while at < size:
            block = os.pread(self._file, min(_BLOCK, size - at), at)
            at += len(block)
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                yield self._verified(line)

    def _verified(self, line: bytes) -> Line:
        number = self._seq + 1
        body, tail = line[:-_TAIL] + b"}", line[-_TAIL:]
        try:
            facts = json.loads(body)
            key, vault = facts["key"], facts.get("vault", self._vault)
            if number == 1 and vault != self._vault:
                raise ForeignChain
            mac = self._mac(self._last + body, key)[1]
            read = Line(facts["op"], facts["ref"], facts["version"], facts["at"])
        except (ValueError, KeyError, TypeError):
            raise ChainBroken(number, "is no line of this vault's audit log, or its key is unknown") from None
        if facts.get("seq") != number or not hmac.compare_digest(tail, b',"h":"' + mac.hex().encode() + b'"}'):
            raise ChainBroken(number, "is not as it was written, or does not follow the line before it")
        self._last, self._seq, self._end = mac, number, self._end + len(line) + 1
        return read

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            if not os.path.samestat(os.fstat(self._file), self._path.stat()):
                raise FileNotFoundError
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
