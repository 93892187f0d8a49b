"""What was measured of the TSP, and what follows from it."""

from dataclasses import dataclass, field
from typing import Any

from bench.results import Results
from bench.vault.rotation import Payments, Rotated
from bench.vault.rows import EMPTY


@dataclass(frozen=True)
class Stored:
    """What tokens take in the store. used: bytes of INFO memory more than before. keys: MEMORY USAGE of one token's."""

    tokens: int
    used: int
    keys: dict[str, int]

    @property
    def per_token(self) -> float:
        """Bytes."""
        return self.used / self.tokens


@dataclass(frozen=True)
class Size:
    """The TSP over so many tokens. calls: Detokenise, by how many are in flight."""

    tokens: int
    bytes_per_token: float
    start_s: float
    tsp_mb: float
    calls: Results


@dataclass
class Figures:
    """All figures of one run."""

    calls: Results = field(default_factory=Results)
    stored: Stored | None = None
    sown_s: float = 0.0
    rotated: Rotated | None = None
    sizes: list[Size] = field(default_factory=list)

    def beyond_us(self, row: str, in_flight: int) -> list[float]:
        """The TSP's CPU time per call less the empty TSP's, round by round."""
        real = self.calls.cpu_us(row, in_flight, "tsp")
        empty = self.calls.cpu_us(f"{row}{EMPTY}", in_flight, "tsp")
        return [a - b for a, b in zip(real, empty, strict=True)]

    def as_json(self) -> dict[str, Any]:
        """Every single figure."""
        return {
            **self.calls.as_json(),
            "stored": vars(self.stored) if self.stored else None,
            "rotated": _rotated(self.rotated) if self.rotated else None,
            "sizes": [{**vars(size), "calls": size.calls.as_json()["loads"]} for size in self.sizes],
        }


def _rotated(rotated: Rotated) -> dict[str, Any]:
    return {
        "tokens": rotated.tokens,
        "seconds": rotated.seconds,
        "cpu_s": rotated.cpu_s,
        "before": _payments(rotated.before),
        "during": _payments(rotated.during),
    }


def _payments(payments: Payments) -> dict[str, Any]:
    percentiles = {f"p{percent}_ms": payments.percentile_ms(percent) for percent in (50, 99)}
    return {"asked": payments.asked, "failed": payments.failed, **percentiles}
