"""Text in a drawing: how wide it is at most, how it is broken into lines, and how it is written as SVG."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple
from unicodedata import east_asian_width

from cardnet.traces.picture import Phrase
from cardnet.traces.words import printable

LETTER, WIDE_LETTER, SPACE = 7.2, 13.0, 12
"""Widths at a size of 12 pixels: of a letter in the widest of the usual fonts, of a Chinese one, between phrases."""

LONGEST_PHRASE = 54
"""Letters of a phrase's value."""


class Piece(NamedTuple):
    """A text in one style. kind: a class of the style sheet, less "seq-"; apart: a space is left before it."""

    text: str
    kind: str
    apart: bool = False

    @property
    def width(self) -> float:
        """In pixels, at most."""
        letters = len(self.text) * LETTER
        if not self.text.isascii():
            letters += sum(east_asian_width(one) in "WF" for one in self.text) * (WIDE_LETTER - LETTER)
        return letters + (SPACE if self.apart else 0)


Line = Sequence[Piece]


def width_of(line: Line) -> float:
    """In pixels, at most."""
    return sum(piece.width for piece in line)


def lines_of(phrases: Sequence[Phrase], width: float, most: int) -> list[list[Piece]]:
    """The phrases in lines of at most a width; what does not fit into so many lines is counted."""
    lines: list[list[Piece]] = []
    for at, phrase in enumerate(phrases):
        pieces = _pieces(phrase)
        if lines and width_of(lines[-1]) + SPACE + width_of(pieces) <= width:
            lines[-1] += [pieces[0]._replace(apart=True), *pieces[1:]]
        elif len(lines) < most:
            lines.append(pieces)
        else:
            lines.append([Piece(f"and {len(phrases) - at} more", "quiet")])
            break
    return lines


def broken(text: str, kind: str, width: float, most: int) -> list[list[Piece]]:
    """A sentence in lines of at most a width."""
    lines: list[list[Piece]] = []
    left = printable(text, int(most * width / LETTER))
    length = int(width / LETTER)
    while left and len(lines) < most:
        end = len(left) if len(left) <= length else max(left.rfind(" ", 0, length), 0) or length
        lines.append([Piece(left[:end].strip(), kind)])
        left = left[end:].strip()
    return lines


def written(line: Line, x: float, y: float, anchor: str = "middle") -> str:
    """A line as an SVG text."""
    spans = "".join(
        f'<tspan class="seq-{piece.kind}"{f" dx={chr(34)}{SPACE}{chr(34)}" if piece.apart else ""}>'
        f"{escape(piece.text)}</tspan>"
        for piece in line
    )
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{spans}</text>'


def _pieces(phrase: Phrase) -> list[Piece]:
    before, after = printable(phrase.before, LONGEST_PHRASE), printable(phrase.after, LONGEST_PHRASE)
    pieces = [Piece(f"{printable(phrase.label, LONGEST_PHRASE)} ", "quiet")] if phrase.label else []
    if before:
        pieces += [Piece(before, "old"), Piece(" → ", "quiet")]
    return [*pieces, Piece(after, "new" if before else "said")]
