"""The growth as a picture: an SVG of two panels that follows the reader's light or dark theme."""

from collections.abc import Callable, Iterator, Sequence
from html import escape
from math import ceil, floor, log10
from statistics import median
from typing import NamedTuple

from bench.load import Sample
from bench.vault.figures import Size

_WIDTH, _HEIGHT, _TOP, _LEFT, _GAP = 340, 200, 64, 64, 120
_MARKS = 4

_STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #52606d } .title { font-size: 13px; font-weight: 600; fill: #1f2933 }
  .page { fill: #fff } .axis { stroke: #9aa5b1 } .grid { stroke: #e4e7eb }
  .one { stroke: #2251a3; fill: #2251a3 } .eight { stroke: #b4540a; fill: #b4540a }
  polyline { fill: none !important; stroke-width: 2 } .eight polyline { stroke-dasharray: 6 3 } g text { stroke: none }
  @media (prefers-color-scheme: dark) {
    text { fill: #9aa5b1 } .title { fill: #e4e7eb } .page { fill: #14181d } .axis { stroke: #52606d }
    .grid { stroke: #29313a } .one { stroke: #7aa7ff; fill: #7aa7ff } .eight { stroke: #f0a35e; fill: #f0a35e }
  }"""


class _Panel(NamedTuple):
    title: str
    figure: Callable[[Sample], float]
    form: str


_PANELS = (
    _Panel("CPU time of the TSP per call, µs", lambda sample: sample.cpu_us["tsp"], ",.0f"),
    _Panel("time to the answer (p50), ms", lambda sample: sample.p50_ms, ",.1f"),
)
_LINES = ((1, "one"), (8, "eight"))


def draw(sizes: Sequence[Size]) -> str:
    """The picture of these sizes, of which there are at least two."""
    width, height = _LEFT + len(_PANELS) * _WIDTH + _GAP + 70, _TOP + _HEIGHT + 56
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        'aria-labelledby="title desc">',
        '<title id="title">De-tokenising with verification, by how many tokens the vault holds</title>',
        f'<desc id="desc">{escape(_described(sizes))}</desc>',
        f"<style>{_STYLE}\n</style>",
        f'<rect class="page" width="{width}" height="{height}"/>',
        *(part for place, panel in enumerate(_PANELS) for part in _drawn(panel, place, sizes)),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _described(sizes: Sequence[Size]) -> str:
    """The picture in words, for who does not see it."""
    told = []
    for panel in _PANELS:
        for in_flight, _ in _LINES:
            values = ", ".join(f"{_value(panel, size, in_flight):{panel.form}}" for size in sizes)
            told.append(f"{panel.title}, {in_flight} in flight: {values}.")
    tokens = ", ".join(f"{size.tokens:,}" for size in sizes)
    return f"Two panels over {tokens} tokens. {' '.join(told)}"


def _drawn(panel: _Panel, place: int, sizes: Sequence[Size]) -> Iterator[str]:
    left = _LEFT + place * (_WIDTH + _GAP)
    step = _step(max(_value(panel, size, in_flight) for size in sizes for in_flight, _ in _LINES))
    yield f'<text class="title" x="{left}" y="28">{escape(panel.title)}</text>'
    for mark in range(_MARKS + 1):
        y = _y(mark * step, step)
        kind = "grid" if mark else "axis"
        yield f'<line class="{kind}" x1="{left}" y1="{y}" x2="{left + _WIDTH}" y2="{y}"/>'
        yield f'<text x="{left - 8}" y="{y + 4}" text-anchor="end">{mark * step:,g}</text>'
    for size in sizes:
        x = _x(size, sizes, left)
        yield f'<text x="{x}" y="{_TOP + _HEIGHT + 20}" text-anchor="middle">{size.tokens:,}</text>'
    yield f'<text x="{left + _WIDTH // 2}" y="{_TOP + _HEIGHT + 42}" text-anchor="middle">tokens</text>'
    for in_flight, name in _LINES:
        points = [(_x(size, sizes, left), _y(_value(panel, size, in_flight), step)) for size in sizes]
        yield f'<g class="{name}"><polyline points="{" ".join(f"{x},{y}" for x, y in points)}"/>'
        yield from (f'<circle cx="{x}" cy="{y}" r="3.5"/>' for x, y in points)
        yield f'<text x="{points[-1][0] + 8}" y="{points[-1][1] + 4}">{in_flight} in flight</text></g>'


def _value(panel: _Panel, size: Size, in_flight: int) -> float:
    return median(panel.figure(sample) for sample in size.calls.samples["detokenise", in_flight])


def _step(greatest: float) -> float:
    """Between marks: 1, 2 or 5 and noughts, so that the marks reach as far as the greatest value."""
    least = greatest / _MARKS
    ten = 10.0 ** floor(log10(least))
    return next(ten * digit for digit in (1, 2, 2.5, 5, 10) if ten * digit >= least)


def _x(size: Size, sizes: Sequence[Size], left: int) -> int:
    first, last = log10(sizes[0].tokens), log10(sizes[-1].tokens)
    return round(left + 20 + (_WIDTH - 40) * (log10(size.tokens) - first) / (last - first))


def _y(value: float, step: float) -> int:
    return ceil(_TOP + _HEIGHT - _HEIGHT * value / (_MARKS * step))
