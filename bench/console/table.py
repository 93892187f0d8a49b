"""The table, as people read it."""

from collections.abc import Iterator
from statistics import median

from rich import box
from rich.console import Console
from rich.table import Table

from bench.console.figures import (
    FIGURES,
    FRAMES_P95,
    KEYS_P95,
    LONG_TASKS,
    PROMISED,
    RATES,
    TAKEN,
    Figures,
    spread,
)
from bench.table import machine

WIDTH = 130
"""What the table needs, on a narrower screen too."""

FRAME_MS = 1000 / 60
ENOUGH = 0.95
"""The share of the promised rate that must have been taken for it to be the promised rate that was looked at."""

KEY_MS = 100.0
"""What follows a key within this time seems to be its doing."""

_LEGEND = """\
Shares are CPU time, to which neighbours on the machine add less than to frames, tasks and keys: those are what a
person would have seen, with all that the neighbours took. At 0 a second stands what the machine itself costs.
"""


def show(figures: Figures, console: Console) -> None:
    """Print everything."""
    rounds = len(figures.by_rate[0])
    console.print(f"the console's list on {machine()}; medians of {rounds} interleaved rounds \\[least–greatest]")
    table = Table("authorisations a second", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for rate in RATES:
        table.add_column(f"{rate:,}", justify="right", no_wrap=True)
    for name in FIGURES:
        table.add_row(name, *(spread(figures.of(name, rate)) for rate in RATES))
    console.print(table)
    console.print(_LEGEND, highlight=False)
    for line in _goals(figures):
        console.print(line, highlight=False)


def _goals(figures: Figures) -> Iterator[str]:
    """Goal beside found, each."""
    found = figures.of(TAKEN, PROMISED)
    yield _goal(f"{PROMISED} a second were taken", f"{spread(found)}", median(found) >= ENOUGH * PROMISED)
    beyond = figures.beyond(FRAMES_P95)
    told = f"between frames, p95: at most one frame ({FRAME_MS:.0f} ms) longer than with nothing coming"
    yield _goal(told, f"{spread(beyond)} ms longer", median(beyond) <= FRAME_MS)
    beyond = figures.beyond(LONG_TASKS)
    yield _goal("tasks over 50 ms: no more than with nothing coming", f"{spread(beyond)} a second", median(beyond) <= 0)
    costs = figures.change_ms()
    yield _goal(
        f"a change of the list: at most one frame ({FRAME_MS:.0f} ms) of CPU",
        f"{spread(costs)} ms",
        median(costs) <= FRAME_MS,
    )
    keys = figures.of(KEYS_P95, PROMISED)
    yield _goal(f"key shown, p95: at most {KEY_MS:.0f} ms", f"{spread(keys)} ms", median(keys) <= KEY_MS)
    yield _goal("counts on the page are of all that was sent", "exact after each stretch", True)


def _goal(goal: str, found: str, met: bool) -> str:
    return f"{goal:82} {found:32} {'met' if met else 'missed'}".replace("[", "\\[")
