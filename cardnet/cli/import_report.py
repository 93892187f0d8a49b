"""What became of each card of an import: a file for people and spreadsheets, without a PAN."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from cardnet.cli.card_file import CardFile
from cardnet.cli.import_log import Outcome
from cardnet.cli.private_file import whole

HEADER = ("line", "customer_id", "pan_last_four", "outcome", "card_on_file_id", "reason")


class Tally(NamedTuple):
    """How many lines came to what."""

    saved: int
    refused: int
    malformed: int
    waiting: int

    @property
    def all_saved(self) -> bool:
        """Whether a token stands for every card."""
        return not (self.refused or self.malformed or self.waiting)


def tally(outcomes: Mapping[int, Outcome], waiting: Mapping[int, str]) -> Tally:
    """Count the outcomes."""
    kinds = [outcome.kind for outcome in outcomes.values()]
    return Tally(kinds.count("saved"), kinds.count("refused"), kinds.count("malformed"), len(waiting))


def write_report(path: Path, cards: CardFile, outcomes: Mapping[int, Outcome], waiting: Mapping[int, str]) -> None:
    """Write a line for each line of the cards' file, in place of an older report."""
    with whole(path) as file:
        text = io.TextIOWrapper(file, "utf-8", newline="")
        lines = csv.writer(text)
        lines.writerow(HEADER)
        for line in cards.lines():
            outcome = outcomes.get(line.number) or Outcome("waiting", reason=waiting.get(line.number, ""))
            customer_id, last_four = line.customer_id, line.last_four
            lines.writerow((line.number, customer_id, last_four, *outcome))
        text.flush()
        text.detach()
