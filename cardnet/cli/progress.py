"""How far something long is: a bar on a terminal's standard error, a line now and then where nobody watches."""

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

LINES = 10
"""How many lines say how far it is, where the whole is known and no terminal shows a bar."""

LINE_EVERY = 10_000
"""After how many a line is said where the whole is not known."""


class Progress:
    """Shows how much has been done of something."""

    def __init__(self, what: str, unit: str) -> None:
        """what: such as "importing". unit: what is counted: "cards"."""
        self._what, self._unit = what, unit
        self._bar: Bar | None = _bar() if sys.stderr.isatty() else None
        self._task = self._bar.add_task(what, total=None) if self._bar else None
        self._said = 0

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def at(self, done: int, total: int = 0) -> None:
        """Say how much is done. total: of how much; 0 where that is not known."""
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=done, total=total or None)
            return
        lines = done * LINES // total if total else done // LINE_EVERY
        if lines > self._said:
            self._said = lines
            of = f" of {total:,}" if total else ""
            click.echo(f"{self._what}: {done:,}{of} {self._unit}", err=True)


def _bar() -> "Bar":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
