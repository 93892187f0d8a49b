"""Pictures for terminals: tables and the nine steps. Without colours where nobody looks, or where NO_COLOR is set."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cardnet.picture import INDENT, WIDTH, Phrase, Row, Summary, rows, who_saw_the_pan
from cardnet.traced import Trace


class Terminal:
    """Standard output, at most a hundred columns of it."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, markup=False, emoji=False)
        self._console.width = min(self._console.width, WIDTH) if self._console.is_terminal else WIDTH

    def say(self, *parts: str | tuple[str, str]) -> None:
        """Print one line made of texts, or of (text, style)."""
        self._console.print(Text.assemble(*parts), soft_wrap=True)

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

    def steps(self, trace: Trace, *, every_field: bool = False) -> None:
        """Draw the nine steps."""
        for row in rows(trace, every_field=every_field):
            for line in _drawn(row, self._console.width):
                self._console.print(line, soft_wrap=True)
        for sentence in trace.missing:
            self.say((f"missing: {sentence}", "yellow"))

    def headline(self, summary: Summary, elapsed_ms: float) -> None:
        """Print the line above a picture."""
        parts: list[str | tuple[str, str]] = [("Authorisation ", "bold"), (summary.id, "bold")]
        parts += ["  ", summary.amount, "  ", (summary.answer or "no answer", style_of(summary.answer))]
        parts += [f"  auth {summary.auth_code}"] if summary.auth_code else []
        parts += [f"  {elapsed_ms:.1f} ms"] if elapsed_ms else []
        self.say(*parts)

    def pan_line(self, trace: Trace) -> None:
        """Print who saw the PAN, and who took part and never did."""
        saw, never = who_saw_the_pan(trace)
        self.say(
            ("PAN seen by: ", "bold"),
            ", ".join(saw) or "nobody",
            ("   never by: ", "bold"),
            ", ".join(never) or "nobody",
        )

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


def _drawn(row: Row, width: int) -> Iterator[Text]:
    taken = bool(row.phrases)
    heading = Text(f"{row.heading:<{INDENT}}", style="cyan" if taken else "dim")
    for line in row.lines(width):
        spoken = Text("  ").join(_spoken(phrase, row) for phrase in line)
        drawn = Text.assemble(heading, spoken)
        drawn.rstrip()
        yield drawn
        heading = Text(" " * INDENT)


def _spoken(phrase: Phrase, row: Row) -> Text:
    if not phrase.label:
        return Text(phrase.after, style=("yellow" if row.phrases else "dim") if phrase.after == row.note else "italic")
    if phrase.before:
        return Text.assemble(
            (phrase.label, "dim"), " ", (phrase.before, "red strike"), " → ", (phrase.after, "bold green")
        )
    style = style_of(phrase.after) if phrase.label == "DE39" else ""
    return Text.assemble((phrase.label, "dim"), " ", (phrase.after, style))
