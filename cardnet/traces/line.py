"""A line of the list as it is kept on disk."""

import json
from collections.abc import Callable
from typing import NamedTuple

from cardnet.traces.entry import OUTCOMES, Entry, Outcome, entry_of
from cardnet.traces.trace import Trace


class Line(NamedTuple):
    """An authorisation, and as what it was counted: by its answer, also where its trace tells none any more."""

    entry: Entry
    counted: Outcome

    def written(self) -> str:
        """What `read` reads."""
        return json.dumps({**self.entry.document(), "counted": self.counted})

    @classmethod
    def read(cls, text: str) -> "Line":
        """A line that was written. ValueError where another version wrote it, or somebody else."""
        try:
            known = json.loads(text)
            counted = known.pop("counted", known["outcome"])
            entry = Entry(**{**known, "steps": tuple(known["steps"])})
        except (TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ValueError("the text is no line") from error
        if counted not in OUTCOMES:
            raise ValueError("the text is no line: nothing counts so")
        return cls(entry, counted)


def line_of(text: str, trace: Callable[[], Trace]) -> Line:
    """A line as it was written; made anew, of its trace, where another version wrote it."""
    try:
        return Line.read(text)
    except ValueError:
        entry = entry_of(trace())
        return Line(entry, entry.outcome)
