"""What was measured, and what follows from it: medians over rounds with their spread, and ratios within a round."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, NamedTuple

from bench.load import Sample


class Spread(NamedTuple):
    """A figure over all rounds."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The spread of at least one value."""
        return cls(median(values), min(values), max(values))


@dataclass
class Results:
    """All figures of one run. Samples of a row and load stand in the order of the rounds."""

    samples: dict[tuple[str, int], list[Sample]] = field(default_factory=dict)
    starts: list[dict[str, float]] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)
    """Of each service of (a), after the load."""

    def add(self, row: str, in_flight: int, sample: Sample) -> None:
        """Keep a sample."""
        self.samples.setdefault((row, in_flight), []).append(sample)

    def per_s(self, row: str, in_flight: int) -> list[float]:
        """Authorisations per second, round by round; empty where the row was not measured."""
        return [sample.per_s for sample in self.samples.get((row, in_flight), ())]

    def cpu_us(self, row: str, in_flight: int, party: str = "services") -> list[float]:
        """CPU time per authorisation, round by round; empty where there is no such party."""
        return [s.cpu_us[party] for s in self.samples.get((row, in_flight), ()) if party in s.cpu_us]

    def as_json(self) -> dict[str, Any]:
        """Every single figure."""
        loads = [
            {"row": row, "in_flight": in_flight, "rounds": [vars(sample) for sample in samples]}
            for (row, in_flight), samples in self.samples.items()
        ]
        return {"loads": loads, "starts": self.starts, "memory_mb": self.memory_mb}


def ratio(over: Sequence[float], under: Sequence[float]) -> Spread | None:
    """One row's figures over another's, each within its round; None where one of them was not measured."""
    ratios = [a / b for a, b in zip(over, under, strict=False) if b]
    return Spread.of(ratios) if ratios else None
