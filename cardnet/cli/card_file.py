"""A merchant's stored cards in a file: CSV with the header customer_id,pan,pan_expiry and a card a line."""

import csv
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from cardnet.card import Expiry, Pan
from cardnet.errors import InvalidField
from cardnet.rules import RULES

COLUMNS = ["customer_id", "pan", "pan_expiry"]

CHUNK = 1024 * 1024


class CardLine(NamedTuple):
    """A line that can be sent. number: counted from 1, the header's."""

    number: int
    customer_id: str
    pan: Pan
    pan_expiry: Expiry

    @property
    def last_four(self) -> str:
        """The card's last four digits, which may be shown."""
        return self.pan.last_four


class BadLine(NamedTuple):
    """A line that breaks a rule. Of what stands in it only what obeys its own rule is kept; else the text is empty."""

    number: int
    customer_id: str
    last_four: str
    column: str
    rule: str


class CardFile:
    """The file. Each line of text is one record, so that a stray quotation mark spoils its own line alone."""

    def __init__(self, path: Path) -> None:
        """InvalidField if it is no plain file."""
        self.path = path.resolve()
        if not stat.S_ISREG(self.path.stat().st_mode):
            raise InvalidField("FILE", "must be a plain file: it is read more than once, and removed in the end")

    def check_header(self) -> None:
        """InvalidField if it does not begin as a file of cards does."""
        with self.path.open("rb") as file:
            if _cells(_text(file.readline())) != COLUMNS:
                raise InvalidField("FILE", f"must be CSV in UTF-8 with the header {','.join(COLUMNS)}")

    @property
    def mark(self) -> str:
        """Changes when the file does. Made of size and time: nothing that is derived from a PAN leaves the file."""
        now = self.path.stat()
        # Grouped, or else who searches for card numbers would find one here.
        return f"{now.st_size} bytes of {now.st_mtime_ns:,} ns"

    def lines(self) -> Iterator[CardLine | BadLine]:
        """Each line below the header but empty ones."""
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if number > 1 and line.strip():
                    yield _read(number, _text(line))

    def check_removable(self) -> None:
        """InvalidField if it could not be overwritten and removed in the end."""
        if not (os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK)):
            raise InvalidField("FILE", "must be a file that you may write and remove, or else be given with --keep")

    def remove(self) -> None:
        """Overwrite every byte, then remove it. What a disk or its backups keep of older writings is beyond us."""
        with self.path.open("r+b") as file:
            _overwrite(file)
        self.path.unlink()


def _overwrite(file: BinaryIO) -> None:
    left = file.seek(0, os.SEEK_END)
    file.seek(0)
    while left:
        left -= file.write(bytes(min(left, CHUNK)))
    file.flush()
    os.fsync(file.fileno())


def _text(line: bytes) -> str | None:
    """The line without its end; None if it is not UTF-8. Spreadsheets put a mark before the first line."""
    try:
        return line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        return None


def _cells(text: str | None) -> list[str]:
    """The cells of one record; none if it is not one."""
    try:
        return next(csv.reader([text or ""], strict=True), [])
    except csv.Error:
        return []


def _read(number: int, text: str | None) -> CardLine | BadLine:
    cells = _cells(text)
    if len(cells) != len(COLUMNS):
        return BadLine(number, "", "", "line", f"must be {len(COLUMNS)} values in UTF-8, separated by commas")
    customer_id, pan, expiry = (
        _checked(check, cell) for check, cell in zip((_customer_id, Pan, Expiry.parse), cells, strict=True)
    )
    for column, value in zip(COLUMNS, (customer_id, pan, expiry), strict=True):
        if isinstance(value, InvalidField):
            known = customer_id if isinstance(customer_id, str) else ""
            last_four = pan.last_four if isinstance(pan, Pan) else ""
            return BadLine(number, known, last_four, column, value.rule)
    assert isinstance(customer_id, str) and isinstance(pan, Pan) and isinstance(expiry, Expiry)
    return CardLine(number, customer_id, pan, expiry)


def _checked(check: object, cell: str) -> object:
    assert callable(check)
    try:
        return check(cell)
    except InvalidField as fault:
        return fault


def _customer_id(text: str) -> str:
    fault = RULES["KEY"].check(text)
    if fault:
        raise InvalidField("customer_id", fault)
    return text
