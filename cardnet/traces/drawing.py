"""One authorisation as a sequence picture: an SVG with a lane for each party, drawn from its trace.

Nothing in it has an identifier, so that several may stand in one page.
"""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import cardnet.traces.words as words
from cardnet.diagram import INSIDE, LANES
from cardnet.steps import Step
from cardnet.traces.lettering import Line, Piece, broken, lines_of, width_of, written
from cardnet.traces.picture import Row, rows, summary
from cardnet.traces.sheet import DRAWN, STYLE
from cardnet.traces.timing import Timing, spoken, timings
from cardnet.traces.trace import Trace
from cardnet.traces.verdict import Verdict, verdict_of

__all__ = ["STYLE", "document", "draw"]

GUTTER, GAP, EDGE = 128, 164, 76
"""Widths in pixels: of the column of times, between two lanes, and beside the outermost."""

WIDTH = GUTTER + 2 * EDGE + GAP * (len(LANES) - 1)
LINE, ABOVE, BELOW = 17, 32, 20
"""Heights in pixels: of a line of text, and of what stands above a row's arrow and below its text."""

DROP, RISE = 8, 15
"""How far text stands away from an arrow, below and above it, so that the step's number has room."""

MOST_LINES = 5
"""Lines of fields below an arrow."""


class Place(NamedTuple):
    """A row of the picture and where it stands. y: of its arrow."""

    row: Row
    lines: Sequence[Line]
    y: int
    decided: bool

    @property
    def bottom(self) -> int:
        return self.y + LINE * len(self.lines) + BELOW

    def middle(self, width: float) -> float:
        """Where a text below the arrow has its middle: the arrow's, but within the picture."""
        start, end = _x(self.row.step.sender), _x(self.row.step.receiver)
        return min(max((start + end) / 2, GUTTER + width / 2 + 8), WIDTH - width / 2 - 12)


def draw(trace: Trace) -> str:
    """The picture as an `svg` element to stand in a page that has STYLE; no style and no script is in it."""
    return _picture(trace, alone=False)


def document(trace: Trace) -> str:
    """The picture as a document of its own."""
    return _picture(trace, alone=True) + "\n"


def _picture(trace: Trace, *, alone: bool) -> str:
    verdict, times = verdict_of(trace), timings(trace)
    heading = _heading(trace, verdict)
    lanes_y = 34 + LINE * len(heading) + 26
    places = _places(trace, verdict, lanes_y + 16)
    height = max(places[-1].bottom + 14, lanes_y)
    own = f' xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"' if alone else ""
    parts = [
        f'<svg{own} class="seq" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(_title(trace))}</title><desc>{escape(_description(places, verdict))}</desc>",
        f"<style>{DRAWN}</style>" if alone else "",
        f'<rect class="seq-page" width="{WIDTH}" height="{height}"/>',
        _inside(lanes_y - 36, height),
        *(written(line, 14, 26 + 19 * at, "start") for at, line in enumerate(heading)),
        *(_lane(name, lanes_y, height, places) for name in LANES),
        *(_row(place, times.get(place.row.step.number), _outcome(trace)) for place in places),
        "</svg>",
    ]
    return "\n".join(filter(None, parts))


def _title(trace: Trace) -> str:
    id_, amount, answer, _, _ = summary(trace)
    return " · ".join(filter(None, (f"Authorisation {words.printable(id_)}", amount, answer or "no answer")))


def _heading(trace: Trace, verdict: Verdict | None) -> list[Line]:
    title: Line = [Piece(words.printable(_title(trace), 110), "heading")]
    told = broken(verdict.reason, "said", WIDTH - 40, 2) if verdict else []
    missing = [
        line for sentence in trace.missing[:2] for line in broken(f"missing: {sentence}", "quiet", WIDTH - 40, 1)
    ]
    return [title, *told, *missing]


def _description(places: Sequence[Place], verdict: Verdict | None) -> str:
    taken = ", ".join(str(place.row.step.number) for place in places if place.row.taken) or "none"
    untaken = "".join(f" Step {place.row.step.number}: {place.row.note}." for place in places if not place.row.taken)
    return f"{f'{verdict.reason}. ' if verdict else ''}Steps taken: {taken}.{untaken}"


def _outcome(trace: Trace) -> str:
    return "approved" if summary(trace).answer == words.answer("00") else "refused"


def _places(trace: Trace, verdict: Verdict | None, top: int) -> list[Place]:
    places: list[Place] = []
    for row in rows(trace):
        decided = verdict is not None and verdict.step == row.step.number
        said = lines_of(row.phrases, 2.4 * GAP, MOST_LINES)
        noted = broken(row.note, "note", 2.4 * GAP, 2) if row.note else []
        marked = [_mark(verdict)] if verdict and decided else []
        place = Place(row, [*marked, *said, *noted], top + ABOVE, decided)
        places.append(place)
        top = place.bottom
    return places


def _mark(verdict: Verdict) -> Line:
    on = words.field_name(verdict.field, verdict.iso8583) if verdict.field else ""
    return [Piece(f"◆ decided here{f', on {on}' if on else ''}", "why")]


def _inside(top: int, height: int) -> str:
    left, right = _x(INSIDE[0]) - GAP // 2 + 6, _x(INSIDE[-1]) + EDGE - 6
    note = written([Piece("cardholder data environment", "quiet")], (left + right) / 2, top + 16)
    size = f'width="{right - left}" height="{height - top - 8}"'
    return f'<rect class="seq-inside" x="{left}" y="{top}" {size} rx="8"/>{note}'


def _lane(name: str, y: int, height: int, places: Sequence[Place]) -> str:
    """A party's name and its line, which is left out where a text crosses it."""
    x, shown = _x(name), name.upper() if name == "tsp" else name
    pieces, top = [], y + 8
    for place in places:
        for at, line in enumerate([_call(place.row.step), *place.lines]):
            width = width_of(line)
            if abs(place.middle(width) - x) < width / 2 + 4:
                baseline = place.y - RISE if at == 0 else place.y + DROP + LINE * at
                pieces.append((top, baseline - 11))
                top = baseline + 4
    lines = "".join(
        f'<line class="seq-lane" x1="{x}" y1="{start}" x2="{x}" y2="{end}"/>'
        for start, end in (*pieces, (top, height - 14))
        if end > start
    )
    return written([Piece(shown, "name")], x, y) + lines


def _call(step: Step) -> Line:
    return [Piece(f"{step.call} answer" if step.end == "response" else step.call, "call")]


def _row(place: Place, timing: Timing | None, outcome: str) -> str:
    row = place.row
    kinds = ["seq-row", "" if row.taken else "seq-untaken", "seq-failed" if row.failed else ""]
    kinds.append(f"seq-{outcome}" if place.decided else "")
    texts = [written(_call(row.step), place.middle(width_of(_call(row.step))), place.y - RISE)]
    for at, line in enumerate(place.lines, 1):
        texts.append(written(line, place.middle(width_of(line)), place.y + DROP + LINE * at))
    band = _band(place) if place.decided else ""
    return (
        f'<g class="{" ".join(filter(None, kinds))}">{band}{_arrow(place)}{"".join(texts)}{_times(place, timing)}</g>'
    )


def _band(place: Place) -> str:
    top = place.y - ABOVE + 3
    return f'<rect class="seq-band" x="6" y="{top}" width="{WIDTH - 12}" height="{place.bottom - top - 1}"/>'


def _times(place: Place, timing: Timing | None) -> str:
    if timing is None:
        return ""
    told = written([Piece(f"+{spoken(timing.at_ms)}", "said")], GUTTER - 22, place.y + 4, "end")
    if place.row.step.end == "response":
        return told
    took = [Piece(f"call {spoken(timing.took_ms)}", "call")]
    return told + written(took, GUTTER - 22, place.y + LINE + 2, "end")


def _arrow(place: Place) -> str:
    row, y = place.row, place.y
    start, end = _x(row.step.sender), _x(row.step.receiver)
    towards = 1 if end > start else -1
    answer = " seq-answer" if row.step.end == "response" else ""
    parts = [
        f'<line class="seq-arrow{answer}" x1="{start + 11 * towards}" y1="{y}" x2="{end - 7 * towards}" y2="{y}"/>',
        _head(end - 1 * towards, y, towards),
        _head(start + 11 * towards, y, -towards) if row.step.end == "both" and not row.failed else "",
        _cross((start + end) // 2, y) if row.failed else "",
        _dot(start, y, place.decided),
        written([Piece(str(row.step.number), "number")], start, y + 4),
    ]
    return "".join(parts)


def _head(x: int, y: int, towards: int) -> str:
    return f'<path class="seq-head" d="M{x} {y}l{-8 * towards}-4v8z"/>'


def _dot(x: int, y: int, decided: bool) -> str:
    if decided:
        return f'<path class="seq-dot" d="M{x} {y - 14}l14 14-14 14-14-14z"/>'
    return f'<circle class="seq-dot" cx="{x}" cy="{y}" r="10"/>'


def _cross(x: int, y: int) -> str:
    return f'<path class="seq-cross" d="M{x - 6} {y - 6}l12 12M{x + 6} {y - 6}l-12 12"/>'


def _x(name: str) -> int:
    return GUTTER + EDGE + GAP * LANES.index(name)
