"""Time and chance. Nothing else in cardnet reads a clock or draws a number that a test may assert.

Keys, nonces and content-encryption keys come from the operating system always: a seed must not make them guessable.
"""

import mmap
import os
import random
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path


class Clock:
    """The time of day, in UTC."""

    def now(self) -> datetime:
        """The time now."""
        return datetime.now(UTC)

    def now_ns(self) -> int:
        """The time now, in nanoseconds since 1970: what a span carries."""
        return time.time_ns()

    def wall_s(self) -> float:
        """Seconds since 1970 on the wall, also where the clock is frozen: for retries, which must go on."""
        return time.time()


class FrozenClock(Clock):
    """A clock that stands still until it is told to move, so that two runs show the same times."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("a frozen clock needs a time with its zone, such as 2026-01-15T09:00:00Z")
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def now_ns(self) -> int:
        return int(self._now.timestamp()) * 1_000_000_000 + self._now.microsecond * 1_000

    def advance(self, by: timedelta) -> None:
        """Move on. Only who holds this very clock sees it."""
        self._now += by


class SharedClock(Clock):
    """A clock that all services of a network read and that can be moved on for all of them at once.

    How far it is ahead, in nanoseconds, stands in a file of eight bytes that every reader has mapped into its memory:
    one aligned word, so it is read and written whole, and a reading costs no system call.
    """

    LATEST = datetime(2090, 1, 1, tzinfo=UTC)
    """It goes no further: expiries have two digits for the year, and tokens live for years after their issue."""

    def __init__(self, file: Path, frozen_at: str = "") -> None:
        """file: as `create` made it. frozen_at: what it shows when it is 0 ahead (ISO 8601); empty: it runs."""
        self._file = file
        self._start = datetime.fromisoformat(frozen_at).astimezone(UTC) if frozen_at else None
        with file.open("rb") as opened:
            self._ahead = memoryview(mmap.mmap(opened.fileno(), _WORD, access=mmap.ACCESS_READ)).cast("q")
        self._start_ns = (self._start - datetime.fromtimestamp(0, UTC)) // _MICROSECOND * 1_000 if self._start else 0
        self._last = (0, timedelta(), self._start)

    @staticmethod
    def create(file: Path) -> None:
        """Make the file of a clock that is 0 ahead, for its owner alone; one that is there stays as it is."""
        with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as opened:
            if os.fstat(opened.fileno()).st_size != _WORD:
                opened.truncate(_WORD)

    @property
    def ahead(self) -> timedelta:
        """How far it has been moved on."""
        return self._read()[1]

    def now(self) -> datetime:
        _, ahead, stands_at = self._read()
        return stands_at or datetime.now(UTC) + ahead

    def now_ns(self) -> int:
        return (self._start_ns or time.time_ns()) + self._ahead[0]

    def _read(self) -> tuple[int, timedelta, datetime | None]:
        """How far ahead, in nanoseconds and as a time; for a clock that stands, also where."""
        ahead_ns, last = self._ahead[0], self._last
        if last[0] == ahead_ns:
            return last
        ahead = timedelta(microseconds=ahead_ns // 1_000)
        self._last = (ahead_ns, ahead, self._start and self._start + ahead)
        return self._last

    def advance(self, by: timedelta) -> None:
        """Move on, in every process at once. ValueError if that is not forwards, or is further than LATEST."""
        import fcntl  # not on every system, and only who moves a clock needs it

        if by <= timedelta():
            raise ValueError("a clock is moved forwards alone")
        if by > self.LATEST - self.now():
            raise ValueError(f"a clock is moved to {self.LATEST.year - 1} at the latest")
        with self._file.open("r+b") as opened:
            fcntl.flock(opened, fcntl.LOCK_EX)  # two who move it at once both do
            with mmap.mmap(opened.fileno(), _WORD) as shared, memoryview(shared).cast("q") as ahead:
                ahead[0] += by // _MICROSECOND * 1_000


_WORD = 8
_MICROSECOND = timedelta(microseconds=1)


class Rng:
    """Chance. With a seed the draws repeat; without one the operating system draws."""

    def __init__(self, seed: str | None = None) -> None:
        self._random: random.Random = secrets.SystemRandom() if seed is None else random.Random(seed)  # noqa: S311

    def digits(self, count: int) -> str:
        """`count` decimal digits."""
        return "".join(self.choices("0123456789", count))

    def letters(self, count: int) -> str:
        """`count` capitals and digits."""
        return "".join(self.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", count))

    def hex(self, count: int) -> str:
        """`count` bytes as lower-case hexadecimal."""
        return self.bytes(count).hex()

    def bytes(self, count: int) -> bytes:
        """`count` bytes."""
        return self._random.getrandbits(8 * count).to_bytes(count, "big")

    def choices(self, alphabet: str, count: int) -> list[str]:
        """`count` characters of the alphabet, each drawn anew."""
        return self._random.choices(alphabet, k=count)


@dataclass(frozen=True)
class Env:
    """What a service knows of the world outside its settings."""

    clock: Clock
    rng: Rng
    trace_ids: Rng
    """Drawn apart, so that recording does not change what is recorded."""

    @classmethod
    def of(cls, service: str, seed: str = "", frozen_at: str = "", clock_file: str = "") -> "Env":
        """The environment of one service.

        seed: empty for real chance; each service draws its own numbers from it, whatever the others do.
        frozen_at: empty for the real time, else ISO 8601 such as 2026-01-15T09:00:00Z.
        clock_file: the file of a SharedClock, by which the clock can be moved on; empty where it cannot.
        """
        clock = _clock(frozen_at, clock_file)
        # Identifiers of traces are no secrets: a seed from the operating system serves, and spares a system call each.
        return cls(clock, _rng(seed, service), Rng(f"{seed or secrets.token_hex(16)}/{service}/trace"))


def _clock(frozen_at: str, clock_file: str) -> Clock:
    if clock_file:
        return SharedClock(Path(clock_file), frozen_at)
    return FrozenClock(datetime.fromisoformat(frozen_at)) if frozen_at else Clock()


def _rng(seed: str, purpose: str) -> Rng:
    return Rng(f"{seed}/{purpose}" if seed else None)
