"""How far an import of cards is: a file beside the cards' own that holds line numbers and outcomes, and no PAN."""

import fcntl
import json
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from cardnet.errors import Fault, InvalidField

_BEGINS = '{"cards": "'
"""So the first line of each log begins; that of one that was ended at once, as far as it goes."""


class Outcome(NamedTuple):
    """What became of a line, for good."""

    kind: str
    """ "saved", "refused" or "malformed"."""
    card_on_file_id: str = ""
    reason: str = ""
    """Why it was not saved."""


class ImportLog:
    """The outcomes of an import, written down one by one; a second import of the same cards is kept out meanwhile."""

    def __init__(self, path: Path) -> None:
        """Fault if another import holds it; InvalidField if there is another's file of that name."""
        self._path = path
        self.is_new = not path.exists()
        self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8", errors="replace")
        self.outcomes: dict[int, Outcome] = {}
        self.finished = False
        """Whether every line has its outcome and the report is written."""
        self._cards = ""
        self._network = ""
        try:
            self._hold()
            self._read()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def belongs_to(self, cards: str, network: str) -> None:
        """Say of which file and network the outcomes are; InvalidField if they are of others.

        cards: the file's mark. network: what is the network's own, such as the identifier of its key.
        """
        if not self._cards:
            self._cards, self._network = cards, network
            self._write({"cards": cards, "network": network})
        again = f"remove {self._path.name} to begin anew, which saves no card twice"
        if self._cards != cards:
            raise InvalidField("FILE", f"must be as it was when its import began; {again}")
        if self._network != network:
            raise InvalidField("network", f"must be the one at which the import began, with the same card key; {again}")

    def put(self, line: int, outcome: Outcome) -> None:
        """Write an outcome down."""
        self.outcomes[line] = outcome
        self._write({"line": line, **outcome._asdict()})

    def finish(self) -> None:
        """Write down that nothing is left to do but to remove the cards, on the disk when this returns."""
        self.finished = True
        self._write({"finished": True})
        os.fsync(self._file.fileno())

    def remove(self) -> None:
        """Remove it: all is done."""
        self._path.unlink()

    def _hold(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Fault("IMPORT_RUNS", "these cards are being imported at this moment, by another command") from None

    def _read(self) -> None:
        whole, written = 0, self._file.read()
        if written[: len(_BEGINS)] != _BEGINS[: len(written)]:
            raise InvalidField(
                "FILE", f"must have no {self._path.name} beside it: there is one, and no import wrote it"
            )
        for text in written.splitlines(keepends=True):
            entry: dict[str, Any] = {}
            with suppress(json.JSONDecodeError):
                entry = json.loads(text)
            if not entry or not text.endswith("\n"):
                break  # the last line, if the writer was ended in the middle of it: its card is sent again
            whole += len(text)
            self._take(entry)
        self._file.seek(whole)
        self._file.truncate()

    def _take(self, entry: dict[str, Any]) -> None:
        if "cards" in entry:
            self._cards, self._network = entry["cards"], entry["network"]
        elif "finished" in entry:
            self.finished = True
        else:
            line = entry.pop("line")
            self.outcomes[line] = Outcome(**entry)

    def _write(self, entry: dict[str, Any]) -> None:
        self._file.write(json.dumps(entry) + "\n")
        self._file.flush()
