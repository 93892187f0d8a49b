"""What was found at each rate, round by round."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

RATES = (0, 50, 500, 2_000)
"""Authorisations a second."""

PROMISED = 500
"""At so many the list is to be smooth."""

LONG_MS = 50
"""A frame or a task that takes longer can be noticed."""


@dataclass(frozen=True)
class Sight:
    """What was seen while a time went by. Shares are of one core."""

    seconds: float
    frames_ms: Sequence[float]
    """Between one frame and the next."""
    tasks_ms: Sequence[float]
    """Those of the main thread that took over 50 ms."""
    changes: int
    """How often the list was changed."""
    shares: Mapping[str, float]
    """CPU time of the main thread and of its parts, and of the browser's processes by their kinds."""


@dataclass(frozen=True)
class Stretch:
    """One rate in one round."""

    came_per_s: float
    """Authorisations that were taken."""
    sight: Sight
    keys_ms: Sequence[float]
    """From a key's press until what it did was on the screen."""
    console_share: float
    """CPU time of the collector's and console's process, as a share of one core."""


@dataclass
class Figures:
    """All stretches."""

    by_rate: dict[int, list[Stretch]] = field(default_factory=lambda: {rate: [] for rate in RATES})

    def of(self, name: str, rate: int) -> list[float]:
        """A figure's values at a rate, one for each round."""
        return [FIGURES[name](stretch) for stretch in self.by_rate[rate]]

    def beyond(self, name: str) -> list[float]:
        """By how much a figure is greater at the promised rate than with nothing coming, one for each round."""
        return [most - none for most, none in zip(self.of(name, PROMISED), self.of(name, 0), strict=True)]

    def change_ms(self) -> list[float]:
        """What a change of the list costs the page's main thread at the promised rate, counts too: CPU time in ms."""
        beyond, changes = self.beyond(MAIN), self.of(CHANGES, PROMISED)
        return [10 * percent / times if times else 0.0 for percent, times in zip(beyond, changes, strict=True)]

    def as_json(self) -> dict[str, dict[str, list[float]]]:
        """Every single figure."""
        return {str(rate): {name: self.of(name, rate) for name in FIGURES} for rate in RATES}


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest that at least so many of a hundred do not exceed; 0 of none."""
    return sorted(values)[-(-len(values) * percent // 100) - 1] if values else 0.0


def spread(found: Sequence[float]) -> str:
    """Median, least and greatest."""
    digits = 0 if max(map(abs, found)) >= 100 else 1
    return f"{statistics.median(found):,.{digits}f} [{min(found):,.{digits}f}–{max(found):,.{digits}f}]"


def _share(name: str) -> Callable[[Stretch], float]:
    return lambda stretch: 100 * stretch.sight.shares.get(name, 0.0)


TAKEN, FRAMES_P95 = "taken a second", "between frames, p95 ms"
MAIN, CHANGES = "page's main thread, % of a core", "list changed, times a second"
LONG_TASKS, KEYS_P95 = "tasks over 50 ms, a second", "key shown, p95 ms"

FIGURES: Mapping[str, Callable[[Stretch], float]] = {
    TAKEN: lambda stretch: stretch.came_per_s,
    "between frames, median ms": lambda stretch: statistics.median(stretch.sight.frames_ms),
    FRAMES_P95: lambda stretch: percentile(stretch.sight.frames_ms, 95),
    "between frames, worst ms": lambda stretch: max(stretch.sight.frames_ms),
    "frames over 50 ms, %": lambda stretch: (
        100 * sum(ms > LONG_MS for ms in stretch.sight.frames_ms) / len(stretch.sight.frames_ms)
    ),
    LONG_TASKS: lambda stretch: len(stretch.sight.tasks_ms) / stretch.sight.seconds,
    "longest task over 50 ms, ms": lambda stretch: max(stretch.sight.tasks_ms, default=0.0),
    "key shown, median ms": lambda stretch: statistics.median(stretch.keys_ms),
    KEYS_P95: lambda stretch: percentile(stretch.keys_ms, 95),
    MAIN: _share("main"),
    "  its scripts": _share("script"),
    "  its styles": _share("style"),
    "  its layout": _share("layout"),
    "page's process, % of a core": _share("renderer"),
    CHANGES: lambda stretch: stretch.sight.changes / stretch.sight.seconds,
    "console's process, % of a core": lambda stretch: 100 * stretch.console_share,
}
