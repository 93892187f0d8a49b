"""The tables, as people read them."""

from collections.abc import Callable, Iterator

from rich import box
from rich.console import Console
from rich.table import Table

from bench.load import Sample
from bench.table import machine, median_of, spread
from bench.vault.figures import Figures, Size
from bench.vault.rotation import PER_S, Payments, Rotated
from bench.vault.rows import CALL_ROWS, EMPTY

_FIGURES: tuple[tuple[str, Callable[[Sample], float], str], ...] = (
    ("per second", lambda sample: sample.per_s, ",.0f"),
    ("p50 ms", lambda sample: sample.p50_ms, ",.2f"),
    ("p99 ms", lambda sample: sample.p99_ms, ",.1f"),
    ("CPU µs", lambda sample: sample.cpu_us["tsp"], ",.0f"),
)

_LEGEND = """\
CPU µs: user + system time per call of the TSP's process; beyond: less the empty TSP's in the same round.
store, driver: theirs in µs.
"""


def show(figures: Figures, console: Console) -> None:
    """Print everything."""
    console.print(f"cardnet's token service provider on {machine()}; medians of interleaved rounds \\[least–greatest]")
    if figures.calls.samples:
        console.print(_calls(figures))
        console.print(_LEGEND, highlight=False)
    if figures.sizes:
        console.print(_sizes(figures.sizes))
    for line in (*_stored(figures), *_rotation(figures.rotated)):
        console.print(line, highlight=False)


def _calls(figures: Figures) -> Table:
    table = _table("", *(figure[0] for figure in _FIGURES), "beyond", "store", "driver")
    for in_flight in sorted({load for _, load in figures.calls.samples}):
        table.add_row(f"{in_flight} in flight")
        for row, title in CALL_ROWS.items():
            for name, told in ((row, title), (f"{row}{EMPTY}", "  the empty call")):
                samples = figures.calls.samples[name, in_flight]
                cells = [spread([figure(one) for one in samples], form) for _, figure, form in _FIGURES]
                beyond = spread(figures.beyond_us(row, in_flight), ",.0f") if name == row else ""
                others = [median_of(figures.calls.cpu_us(name, in_flight, party)) for party in ("store", "driver")]
                table.add_row(f"  {told}", *cells, beyond, *others)
        table.add_section()
    return table


def _sizes(sizes: list[Size]) -> Table:
    table = _table("tokens", "CPU µs at 1", "at 8", "p50 ms at 1", "at 8", "store, B per token", "start s", "TSP, MB")
    for size in sizes:
        cells = [
            spread([figure(one) for one in size.calls.samples["detokenise", in_flight]], form)
            for _, figure, form in (_FIGURES[3], _FIGURES[1])
            for in_flight in (1, 8)
        ]
        table.add_row(
            f"{size.tokens:,}", *cells, f"{size.bytes_per_token:,.0f}", f"{size.start_s:.2f}", f"{size.tsp_mb:.0f}"
        )
    return table


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="right" if place else "left", no_wrap=True)
    return table


def _stored(figures: Figures) -> Iterator[str]:
    if stored := figures.stored:
        keys = ", ".join(f"{name} {size}" for name, size in stored.keys.items())
        yield f"store per token, of {stored.tokens:,}: {stored.per_token:,.0f} bytes; MEMORY USAGE of one: {keys}"


def _rotation(rotated: Rotated | None) -> Iterator[str]:
    if rotated:
        took = f"{rotated.seconds:.1f} s, CPU of the TSP {rotated.cpu_s:.1f} s"
        yield f"rotation of the data key over {rotated.tokens:,} tokens, at {PER_S} payments/s: {took}"
        yield f"  payments before: {_payments(rotated.before)}"
        yield f"  payments during: {_payments(rotated.during)}"


def _payments(payments: Payments) -> str:
    p50, p99 = payments.percentile_ms(50), payments.percentile_ms(99)
    return f"{payments.asked:,}, failed {payments.failed}, p50 {p50:.1f} ms, p99 {p99:.1f} ms"
