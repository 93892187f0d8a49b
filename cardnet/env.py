"""Time and chance. Nothing else in cardnet reads a clock or draws a number that a test may assert.

Keys, nonces and content-encryption keys come from the operating system always: a seed must not make them guessable.
"""

import random
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


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
        """Move on. Only processes that hold this very clock see it."""
        self._now += by


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
    def of(cls, service: str, seed: str = "", frozen_at: str = "") -> "Env":
        """The environment of one service.

        seed: empty for real chance; each service draws its own numbers from it, whatever the others do.
        frozen_at: empty for the real time, else ISO 8601 such as 2026-01-15T09:00:00Z.
        """
        clock = FrozenClock(datetime.fromisoformat(frozen_at)) if frozen_at else Clock()
        # Identifiers of traces are no secrets: a seed from the operating system serves, and spares a system call each.
        return cls(clock, _rng(seed, service), Rng(f"{seed or secrets.token_hex(16)}/{service}/trace"))


def _rng(seed: str, purpose: str) -> Rng:
    return Rng(f"{seed}/{purpose}" if seed else None)
