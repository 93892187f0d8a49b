"""The table, as people read it."""

import platform
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from os import cpu_count

from rich import box
from rich.console import Console
from rich.table import Table

from bench.load import Sample
from bench.results import Results, Spread, ratio
from bench.rows import ROWS
from bench.usage import MEMORY_KIND
from cardnet.steps import SERVICES

WIDTH = 160
"""What the table needs, on a narrower screen too: a broken line is easier to read than a figure cut short."""

_FIGURES: tuple[tuple[str, Callable[[Sample], float], str], ...] = (
    ("per second", lambda sample: sample.per_s, ",.0f"),
    ("p50 ms", lambda sample: sample.p50_ms, ",.1f"),
    ("p99 ms", lambda sample: sample.p99_ms, ",.1f"),
    ("CPU µs", lambda sample: sample.cpu_us["services"], ",.0f"),
)
_OTHERS = ("store", "collector", "driver")

_LEGEND = """\
per second and CPU µs: authorisations, and user + system time per authorisation of the process or processes that hold
the five services: in (b) with the collector, in (c) with collector and driver. store, collector, driver: theirs in µs.
"""


def show(results: Results, console: Console) -> None:
    """Print everything."""
    rounds = max(map(len, results.samples.values()))
    console.print(f"cardnet on {machine()}; medians of {rounds} interleaved rounds \\[least–greatest]")
    console.print(_loads(results))
    console.print(_LEGEND, highlight=False)
    for line in (*_ratios(results), *_start(results), *_memory(results)):
        console.print(line, highlight=False)


def machine() -> str:
    """What it ran on."""
    return f"{cpu_count()} cores, Python {platform.python_version()}, grpcio {version('grpcio')}"


def _loads(results: Results) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    for heading in (*(figure[0] for figure in _FIGURES), *_OTHERS):
        table.add_column(heading, justify="right", no_wrap=True)
    for in_flight in sorted({load for _, load in results.samples}):
        table.add_row(f"{in_flight} in flight")
        for row, title in ROWS.items():
            if samples := results.samples.get((row, in_flight)):
                cells = [spread([figure(one) for one in samples], form) for _, figure, form in _FIGURES]
                others = [median_of(results.cpu_us(row, in_flight, other)) for other in _OTHERS]
                table.add_row(f"  {title}", *cells, *others)
        table.add_section()
    return table


def _ratios(results: Results) -> Iterator[str]:
    wanted = (
        ("CPU per authorisation, (a)/(d); goal: at most 1.35", results.cpu_us, "five", "empty"),
        ("authorisations/s, (b)/(a); goal: at least 4", results.per_s, "single", "five"),
        ("authorisations/s, (c)/(a); goal: at least 4", results.per_s, "inside", "five"),
    )
    loads = sorted({load for _, load in results.samples})
    for title, figures, over, under in wanted:
        found = {load: ratio(figures(over, load), figures(under, load)) for load in loads}
        told = [f"{_said(spread, '.2f')} at {load}" for load, spread in found.items() if spread]
        if told:
            yield f"{title:52}{', '.join(told)}"


def _start(results: Results) -> Iterator[str]:
    for key, title in (
        ("services_s", "start of five services, store up; goal: at most 1 s"),
        ("network_s", "start of LocalNetwork(), store and collector too"),
    ):
        if results.starts:
            times = [start[key] for start in results.starts]
            yield f"{title:52}{spread(times, '.2f')} s, {len(times)} times"


def _memory(results: Results) -> Iterator[str]:
    if results.memory_mb:
        told = ", ".join(f"{name} {mb:.0f}" for name, mb in zip(SERVICES, results.memory_mb, strict=True))
        title = f"{MEMORY_KIND} after the load, MB; goal: at most 40 each"
        yield f"{title:52}{told}, all five {sum(results.memory_mb):.0f}"


def spread(values: Sequence[float], form: str) -> str:
    """A figure's median and its spread, in rich's markup."""
    return _said(Spread.of(values), form)


def _said(found: Spread, form: str) -> str:
    return f"{found.median:{form}} \\[{found.least:{form}}–{found.greatest:{form}}]"  # bare brackets are rich's own


def median_of(values: Sequence[float]) -> str:
    """A figure's median alone; a dash where there is none."""
    return f"{Spread.of(values).median:,.0f}" if values else "–"
