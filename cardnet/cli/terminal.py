"""Pictures for terminals: tables and the nine steps. Without colours where nobody looks, or where NO_COLOR is set."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cardnet.traces.difference import Difference, StepPair
from cardnet.traces.picture import (
    INDENT,
    WIDTH,
    Phrase,
    Row,
    Summary,
    heading_of,
    nobody_seen,
    rows,
    summary,
    who_may_have_seen_the_pan,
    who_saw_the_pan,
)
from cardnet.traces.timing import bars
from cardnet.traces.trace import Trace
from cardnet.traces.verdict import verdict_of
from cardnet.traces.words import field_name, field_value, printable

BAR = 16
"""Letters of a bar of time."""


class Terminal:
    """Standard output, at most a hundred columns of it."""

    def __init__(self, *, problems: bool = False) -> None:
        """problems: standard error in its place, for what belongs to a problem."""
        self._console = Console(stderr=problems, highlight=False, markup=False, emoji=False)
        self._console.width = min(self._console.width, WIDTH) if self._console.is_terminal else WIDTH

    def say(self, *parts: str | tuple[str, str] | Text) -> None:
        """Print one line made of texts, or of (text, style)."""
        line = Text.assemble(*parts)
        line.rstrip()
        self._console.print(line, soft_wrap=True)

    def table(self, headings: Sequence[str], lines: Sequence[Sequence[str | Text]]) -> None:
        """Print a table without a frame. No headings: none are printed."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=bool(headings), header_style="dim")
        for heading in headings or [""] * len(lines[0]):
            # All but the last column keep their words whole.
            last = len(table.columns) == len(lines[0]) - 1
            table.add_column(heading, no_wrap=not last, overflow="fold")
        for line in lines:
            table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in line))
        self._print_stripped(table)

    def steps(self, trace: Trace, *, every_field: bool = False, timed: bool = False) -> None:
        """Draw the nine steps. timed: with a bar of where each one's call lies in the whole, where the clock ran."""
        lying = bars(trace, BAR) if timed else {}
        left = self._console.width - (BAR + 2 if lying else 0)
        for row in rows(trace, every_field=every_field):
            for line in _drawn(row, lying.pop(row.step.number, ""), left):
                self._console.print(line, soft_wrap=True)
        for sentence in trace.missing:
            self.say((f"missing: {sentence}", "yellow"))

    def headline(self, line: Summary, elapsed_ms: float) -> None:
        """Print the line above a picture."""
        parts: list[str | tuple[str, str]] = [("Authorisation ", "bold"), (line.id, "bold")]
        parts += ["  ", line.amount, "  ", (line.answer or "no answer", style_of(line.answer))]
        parts += [f"  auth {line.auth_code}"] if line.auth_code else []
        parts += [f"  {elapsed_ms:.1f} ms"] if elapsed_ms else []
        self.say(*parts)

    def verdict(self, trace: Trace) -> None:
        """Print who decided, in which step and on which field."""
        verdict = verdict_of(trace)
        if verdict:
            on = field_name(verdict.field, verdict.iso8583) if verdict.field else ""
            self.say(("Decided at ", "bold"), verdict.reason, f" ({on})" if on else "")

    def pan_line(self, trace: Trace) -> None:
        """Print who saw the PAN, who took part and never did, and of whom that is not known."""
        saw, never = who_saw_the_pan(trace)
        self.say(
            ("PAN seen by: ", "bold"),
            ", ".join(saw) or nobody_seen(trace),
            ("   never by: ", "bold"),
            ", ".join(never) or "nobody",
            *(f"   {why}" for why in who_may_have_seen_the_pan(trace).values()),
        )

    def difference(self, difference: Difference, a: Trace, b: Trace) -> None:
        """Print where two authorisations differ: a line for each field that makes a difference, "a | b"."""
        for name, trace in (("a  ", a), ("b  ", b)):
            line = summary(trace)
            self.say((name, "bold"), printable(trace.trace_id), f"  {line.amount}  ", line.answer or "no answer")
            verdict = verdict_of(trace)
            if verdict:
                self.say("   decided at ", verdict.reason)
        for pair in difference.steps:
            first = pair.step.number == difference.first
            for at, told in enumerate(_differing(pair)):
                heading = f"{'◆' if first else ' '}{heading_of(pair.step)}" if at == 0 else ""
                self.say((f"{heading:<{INDENT + 1}}", "bold yellow" if first else "cyan"), told)
        self.say(f"the first step that differs is {difference.first}" if difference.first else "they went the same way")

    def commands(self, heading: str, lines: Sequence[tuple[str, str]]) -> None:
        """Print commands to type and what each is for. They are never broken, so that they can be copied."""
        length = max(len(command) for command, _ in lines)
        for command, purpose in lines:
            self.say((heading, "bold"), f"{command:<{length}}", (f"  {purpose}", "dim"))
            heading = " " * len(heading)

    def _print_stripped(self, table: Table) -> None:
        with self._console.capture() as captured:
            self._console.print(table)
        for line in captured.get().splitlines():
            print(line.rstrip())


def style_of(answer: str) -> str:
    """The colour of an answer such as "51 insufficient funds"."""
    return "bold green" if answer.startswith("00") else "bold red"


@contextmanager
def progress(sentence: str) -> Iterator[None]:
    """Show on a terminal's standard error that something goes on."""
    if not sys.stderr.isatty():
        yield
        return
    with Console(stderr=True).status(sentence):
        yield


def _differing(pair: StepPair) -> Iterator[Text]:
    """What is to be said of a step in two authorisations."""
    if pair.in_a != pair.in_b:
        yield Text(f"only {'a' if pair.in_a else 'b'} took it", style="yellow")
        return
    for field in pair.fields:
        if field.differs:
            a, b = (field_value(field.name, text) or "–" for text in (field.a, field.b))
            yield Text.assemble((field_name(field.name, field.iso8583), "dim"), " ", (a, "red"), " | ", (b, "green"))
    if not pair.differs:
        yield Text("the same" if pair.in_a else "neither took it", style="dim")


def _drawn(row: Row, bar: str, width: int) -> Iterator[Text]:
    """The lines of a row, none wider than this, and beside the first one its bar."""
    heading = Text(f"{row.heading:<{INDENT}}", style="cyan" if row.taken else "dim")
    for line in row.lines(width - INDENT):
        drawn = Text.assemble(heading, Text("  ").join(_spoken(phrase, row) for phrase in line))
        drawn.pad_right(width + 2 - len(drawn) if bar else 0)
        drawn.append(bar, "blue")
        drawn.rstrip()
        yield drawn
        heading, bar = Text(" " * INDENT), ""


def _spoken(phrase: Phrase, row: Row) -> Text:
    if not phrase.label:
        return Text(phrase.after, style=("yellow" if row.failed else "dim") if phrase.after == row.note else "italic")
    if phrase.before:
        return Text.assemble(
            (phrase.label, "dim"), " ", (phrase.before, "red strike"), " → ", (phrase.after, "bold green")
        )
    style = style_of(phrase.after) if phrase.label == "DE39" else ""
    return Text.assemble((phrase.label, "dim"), " ", (phrase.after, style))
