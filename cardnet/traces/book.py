"""Traces on disk: what the archive has in memory, so that it is there again after a restart.

Written in batches and in a thread, so that nothing waits for a disk. What cannot be written is counted and said once:
the archive goes on without.
"""

import logging
import os
import re
import sqlite3
import threading
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

VERSION = 1
"""Of the tables below. A file of another one is left alone."""

WAITING_BYTES = 32 * 1024 * 1024
"""How much waits for the disk at the most; what comes while it is so far behind is counted and not kept."""

AGAIN = 30_000
"""How many lines and deletions that failed are tried again: a line and two deletions of each trace that is kept."""

_TABLES = f"""
    CREATE TABLE IF NOT EXISTS spans (
        id INTEGER PRIMARY KEY, trace TEXT NOT NULL, frame BLOB NOT NULL, span BLOB NOT NULL
    );
    CREATE INDEX IF NOT EXISTS spans_by_trace ON spans (trace);
    CREATE TABLE IF NOT EXISTS entries (trace TEXT PRIMARY KEY, entry TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS counts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    PRAGMA user_version = {VERSION};
"""
_ADD = "INSERT INTO spans (trace, frame, span) VALUES (?, ?, ?)"
_ENTER = "INSERT OR REPLACE INTO entries VALUES (?, ?)"
_FORGET_SPANS = "DELETE FROM spans WHERE trace = ?"
_FORGET_ENTRY = "DELETE FROM entries WHERE trace = ?"

_FORGET_ORPHANS = "DELETE FROM entries WHERE trace NOT IN (SELECT trace FROM spans);"
"""Lines whose spans the disk refused: nobody would ever let go of them."""

_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_STATEMENT_BYTES = 200
"""What waits takes so much besides what it says."""

_UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
"""What reading a damaged file may raise: where SQLite quotes the file in its own words, those may be no text."""

log = logging.getLogger("cardnet")


class Row(NamedTuple):
    """A span that was kept. frame, span: see cardnet/traces/kept.py."""

    trace_id: str
    frame: bytes
    span: bytes


_Statement = tuple[str, tuple[str | bytes, ...]]
"""In SQL, and its values."""


class Book:
    """Traces in a file of SQLite's. All its methods may be called from any thread."""

    def __init__(self, path: Path) -> None:
        """Open it, or begin one. Never raises: where it cannot be had, `not_kept` counts."""
        self._path = path
        self._writing = threading.Lock()
        self._queueing = threading.Lock()
        self._waiting: list[_Statement] = []
        self._waiting_bytes = 0
        self._marked = (0, 0)  # how many of those that wait are before the mark, and their bytes
        self._counts: dict[str, int] = {}
        self._written_counts: dict[str, int] = {}
        self._said = False
        self.not_kept = 0
        """Spans that were not written."""
        self._file = self._opened()

    def add(self, trace_id: str, frame: bytes, span: bytes) -> None:
        """Have a span written with the next batch."""
        if not self._wait((_ADD, (trace_id, frame, span))):
            self.not_kept += 1

    def enter(self, trace_id: str, entry: str) -> None:
        """Have a trace's line of the list written; those that have one are those that the counts are of.

        Where too much waits already it is not, and its trace is counted again after a restart.
        """
        self._wait((_ENTER, (trace_id, entry)))

    def forget(self, trace_id: str) -> None:
        """Have a trace deleted with the next batch. Where that is not written, the next start has to make room."""
        self._wait((_FORGET_SPANS, (trace_id,)), (_FORGET_ENTRY, (trace_id,)))

    def rows(self) -> Iterator[Row]:
        """What was kept, the oldest first. What cannot be read any more is left out, and said."""
        if self._file is None:
            return
        try:
            for row in self._file.execute("SELECT trace, frame, span FROM spans ORDER BY id"):
                if _is_row(*row):  # somebody else may have written there
                    yield Row(*row)
        except _UNREADABLE as error:
            self._say(f"not all of it can be read ({error})")

    def entries(self) -> dict[str, str]:
        """What `enter` was told, by the traces' identifiers."""
        return {str(trace_id): str(entry) for trace_id, entry in self._read("SELECT trace, entry FROM entries")}

    def counts(self) -> dict[str, int]:
        """The numbers that the last `mark` came with which was written, by name."""
        rows = self._read("SELECT name, value FROM counts")
        return {str(name): value for name, value in rows if isinstance(value, int)}

    def mark(self, counts: dict[str, int]) -> None:
        """Have what waits now written, and with it the numbers that belong to just that."""
        with self._queueing:
            self._marked = len(self._waiting), self._waiting_bytes
            self._counts = counts

    def write(self) -> None:
        """Write what waited when `mark` was called last, and its numbers, as one transaction."""
        with self._writing:
            batch, counts = self._taken()
            if self._file is None or not (batch or counts != self._written_counts):
                return
            try:
                with self._file:
                    for statement, run in groupby(batch, key=lambda one: one[0]):
                        self._file.executemany(statement, [values for _, values in run])
                    self._file.executemany("INSERT OR REPLACE INTO counts VALUES (?, ?)", counts.items())
                self._written_counts = counts
            except _UNREADABLE as error:
                self._lose(batch, error)

    def close(self) -> None:
        """Let go of the file. What was not written is gone."""
        with self._writing:
            if self._file:
                self._file.close()
            self._file = None

    def _wait(self, *statements: _Statement) -> bool:
        """Have statements written with the next batch. False where too many wait, or there is no file."""
        size = sum(map(_size, statements))
        with self._queueing:  # the loop adds here while a thread writes
            if self._file is None or self._waiting_bytes + size > WAITING_BYTES:
                return False
            self._waiting_bytes += size
            self._waiting += statements
        return True

    def _taken(self) -> tuple[list[_Statement], dict[str, int]]:
        with self._queueing:
            many, size = self._marked
            batch, self._waiting = self._waiting[:many], self._waiting[many:]
            self._waiting_bytes -= size
            self._marked = 0, 0
            return batch, self._counts

    def _lose(self, batch: list[_Statement], error: Exception) -> None:
        self.not_kept += sum(statement == _ADD for statement, _ in batch)
        again = _again(batch)
        size = sum(map(_size, again))
        with self._queueing:
            self._waiting = again + self._waiting
            self._waiting_bytes += size
            self._marked = self._marked[0] + len(again), self._marked[1] + size
        self._say(f"it cannot be written ({error})")

    def _read(self, statement: str) -> list[tuple[str | int, ...]]:
        try:
            return self._file.execute(statement).fetchall() if self._file else []
        except _UNREADABLE as error:
            self._say(f"not all of it can be read ({error})")
            return []

    def _opened(self) -> sqlite3.Connection | None:
        try:
            return self._tried()
        except (sqlite3.OperationalError, OSError) as error:
            self._say(f"it cannot be opened ({error})")
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            return self._begun_anew()
        return None

    def _begun_anew(self) -> sqlite3.Connection | None:
        """A damaged file is moved aside, not deleted: somebody may want to look at it."""
        aside = self._path.with_name(f"{self._path.name}.damaged")
        try:
            self._path.replace(aside)
            for end in ("-wal", "-shm"):
                self._path.with_name(self._path.name + end).unlink(missing_ok=True)
            log.warning("the traces' file is damaged: it is %s now, and a new one was begun", aside)
            return self._tried()
        except (*_UNREADABLE, OSError) as error:
            self._say(f"it is damaged, and no new one can be begun ({error})")
        return None

    def _tried(self) -> sqlite3.Connection | None:
        # Made before SQLite does, so that it never was anybody else's to read; what belongs to it is made like it.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._path.chmod(0o600)
        file = sqlite3.connect(self._path, timeout=1, check_same_thread=False)
        try:
            ((version,),) = file.execute("PRAGMA user_version")
            if version in (0, VERSION):
                _prepare(file)
                return file
        except BaseException:
            file.close()
            raise
        file.close()
        self._say(f"it is of another version of cardnet ({version})")
        return None

    def _say(self, what: str) -> None:
        """Once: a full disk would say so four times a second."""
        if not self._said:
            log.warning("traces are not kept in %s: %s. The latest are in memory alone", self._path, what)
        self._said = True


def _prepare(file: sqlite3.Connection) -> None:
    # In a write-ahead log, synchronised at its checkpoints alone: a crash of the machine may cost the last traces.
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", f"journal_size_limit = {WAITING_BYTES}"):
        file.execute(f"PRAGMA {pragma}")
    ((sound,),) = file.execute("PRAGMA quick_check(1)")
    if sound != "ok":
        raise sqlite3.DatabaseError(sound)
    file.executescript(_TABLES + _FORGET_ORPHANS)


def _again(batch: list[_Statement]) -> list[_Statement]:
    """What of a batch is tried again; of statements that say the same of a trace, the last."""
    # Else what was let go would stay in the file, and traces of which spans are there already would be counted anew.
    latest: dict[tuple[str, str | bytes], _Statement] = {}
    for statement, values in batch:
        if statement != _ADD:
            latest.pop((statement, values[0]), None)  # it stands where the last one stood
            latest[statement, values[0]] = statement, values
    return list(latest.values())[:AGAIN]


def _size(statement: _Statement) -> int:
    return _STATEMENT_BYTES + sum(map(len, statement[1]))


def _is_row(trace_id: object, frame: object, span: object) -> bool:
    known = isinstance(trace_id, str) and _TRACE_ID.fullmatch(trace_id)
    return bool(known) and isinstance(frame, bytes) and isinstance(span, bytes)
