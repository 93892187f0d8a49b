"""The nine steps as a diagram: an SVG with a lane for each party, drawn from the table of steps."""

from collections.abc import Sequence
from html import escape

from cardnet.steps import SERVICES, STEPS, Step

LANES = ("cardholder", *SERVICES)
INSIDE = ("network", "tsp", "issuer")
"""The cardholder data environment: the only services whose messages can carry a PAN."""

_LANE, _ROW, _TOP, _LEFT = 150, 50, 66, 80

_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2933 }
  .lane { font-weight: 600 } .note { font-size: 12px; fill: #52606d } .number { font-weight: 600; fill: #fff }
  line { stroke: #9aa5b1 } .step { stroke: #2251a3; stroke-width: 1.6 } .dot, .head { fill: #2251a3 }
  .inside { fill: #f6e7d8 } .page { fill: #fff }
  @media (prefers-color-scheme: dark) {
    text { fill: #e4e7eb } .note { fill: #9aa5b1 } .page { fill: #14181d } .inside { fill: #33291f }
    .step { stroke: #7aa7ff } .dot, .head { fill: #7aa7ff } .number { fill: #14181d } line { stroke: #52606d }
  }"""

_HEAD = (
    '<marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
    'orient="auto-start-reverse">'
)


def draw(steps: Sequence[Step] = STEPS) -> str:
    """The diagram of these steps, as an SVG document that follows the reader's light or dark theme."""
    width, height = _LEFT * 2 + _LANE * (len(LANES) - 1), _TOP + _ROW * len(steps) + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-labelledby="title">',
        '<title id="title">The nine steps of a card-on-file authorisation</title>',
        f"<style>{_STYLE}\n</style>",
        f'<defs>{_HEAD}<path class="head" d="M0 0 8 4 0 8z"/></marker></defs>',
        f'<rect class="page" width="{width}" height="{height}"/>',
        _inside(height),
        *(_lane(name, height) for name in LANES),
        *(_arrow(step, _TOP + _ROW * row + 30) for row, step in enumerate(steps)),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _inside(height: int) -> str:
    left, right = (_x(INSIDE[0]) - _LANE // 2 + 8, _x(INSIDE[-1]) + _LANE // 2 - 8)
    middle = (left + right) // 2
    return (
        f'<rect class="inside" x="{left}" y="10" width="{right - left}" height="{height - 20}" rx="8"/>'
        f'<text class="note" x="{middle}" y="28" text-anchor="middle">only these ever see the PAN</text>'
    )


def _lane(name: str, height: int) -> str:
    x = _x(name)
    shown = name.upper() if name == "tsp" else name
    return (
        f'<text class="lane" x="{x}" y="52" text-anchor="middle">{escape(shown)}</text>'
        f'<line x1="{x}" y1="60" x2="{x}" y2="{height - 16}"/>'
    )


def _arrow(step: Step, y: int) -> str:
    start, end = _x(step.sender), _x(step.receiver)
    towards = 1 if end > start else -1
    both = ' marker-start="url(#head)"' if step.end == "both" else ""
    middle = (start + end) // 2
    return (
        f'<line class="step" x1="{start + 12 * towards}" y1="{y}" x2="{end - 3 * towards}" y2="{y}" '
        f'marker-end="url(#head)"{both}/>'
        f'<circle class="dot" cx="{start}" cy="{y}" r="10"/>'
        f'<text class="number" x="{start}" y="{y + 4}" text-anchor="middle">{step.number}</text>'
        f'<text class="note" x="{middle}" y="{y - 8}" text-anchor="middle">{escape(step.call)}</text>'
        f'<text class="note" x="{middle}" y="{y + 15}" text-anchor="middle">{escape(step.carries)}</text>'
    )


def _x(name: str) -> int:
    return _LEFT + _LANE * LANES.index(name)
