"""Who looks for tokens is slowed down: each caller may ask in vain so often, and then has to wait.

A token is no secret: there are a thousand million in a BIN, and whoever may ask without end finds some. The limit is
far above what honest tests bring about: a run of 100,000 probes is stopped within its first thousand.
"""

import math
from collections.abc import Callable

from cardnet.env import Clock
from cardnet.errors import Overloaded

MOST_AT_ONCE = 500
"""So many questions in vain may come at once ..."""
PER_SECOND = 5.0
"""... and so many more in each second."""

_MOST_CALLERS = 10_000


def _probing(wait_s: int) -> Overloaded:
    return Overloaded("PROBING", f"too many questions in vain from this caller; ask again in {wait_s} s")


class Probes:
    """Counts questions in vain, for each caller apart: a bucket that leaks. In this process alone."""

    def __init__(
        self,
        clock: Clock,
        most: int = MOST_AT_ONCE,
        per_second: float = PER_SECOND,
        too_many: Callable[[int], Overloaded] = _probing,
    ) -> None:
        """most: 0 for no limit. The wall clock counts: moving a test's clock forgives nothing. too_many: the fault, by
        the seconds to wait.
        """
        self._clock = clock
        self._most = most
        self._per_second = per_second
        self._too_many = too_many
        self._vain: dict[str, tuple[float, float]] = {}

    def allow(self, caller: str) -> None:
        """Overloaded if the caller has asked in vain too often, with the time to wait."""
        excess = self._level(caller) - self._most + 1
        if self._most and excess > 0:
            raise self._too_many(math.ceil(excess / self._per_second))

    def note(self, caller: str) -> None:
        """Note a question in vain. Overloaded if that was one too many: of all that were asked at once, too."""
        self.allow(caller)
        level = self._level(caller)
        if len(self._vain) >= _MOST_CALLERS:
            self._vain.clear()
        self._vain[caller] = (level + 1, self._clock.wall_s())

    def _level(self, caller: str) -> float:
        level, at_s = self._vain.get(caller, (0.0, 0.0))
        return max(0.0, level - (self._clock.wall_s() - at_s) * self._per_second)
