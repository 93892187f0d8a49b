"""A merchant's file of stored cards, and the log of its import: read line by line, resumed, and gone in the end."""

import os
from pathlib import Path

import pytest

from cardnet.cli.card_file import BadLine, CardFile, CardLine
from cardnet.cli.import_log import ImportLog, Outcome
from cardnet.cli.import_report import tally, write_report
from cardnet.errors import Fault, InvalidField
from cardnet.test_cards import test_card as card_named

PAN = card_named("approved").pan
HEADER = b"customer_id,pan,pan_expiry"
GOOD = f"anna,{PAN},3011".encode()


def cards(folder: Path, *lines: bytes, header: bytes = HEADER, end: bytes = b"\n") -> CardFile:
    file = folder / "cards.csv"
    file.write_bytes(end.join((header, *lines, b"")))
    return CardFile(file)


def test_a_line_that_obeys_its_rules_is_a_card(tmp_path: Path) -> None:
    [line] = cards(tmp_path, GOOD).lines()
    assert isinstance(line, CardLine)
    assert (line.number, line.customer_id, line.last_four, str(line.pan_expiry)) == (2, "anna", PAN[-4:], "3011")


@pytest.mark.parametrize(
    ("line", "column", "rule"),
    [
        (f"anna,{PAN[:-1]}9,3011".encode(), "pan", "must end in a valid check digit"),
        (b"anna,4111111111111111,3011", "pan", "must be in a test range"),
        (f"anna,{PAN[:4]} {PAN[4:]},3011".encode(), "pan", "must be 13 to 19 digits"),
        (b"anna,9.999E+15,3011", "pan", "must be 13 to 19 digits"),
        (b"anna,,3011", "pan", "must be 13 to 19 digits"),
        (f"anna,{PAN},1130".encode(), "pan_expiry", "must be YYMM"),
        (f"anna,{PAN},11/30".encode(), "pan_expiry", "must be YYMM"),
        (f"{PAN},{PAN},3011".encode(), "customer_id", "no card number"),
        (f",{PAN},3011".encode(), "customer_id", "must be 1 to 64 printable"),
        (f"anna,{PAN}".encode(), "line", "must be 3 values"),
        (f"anna,{PAN},3011,x".encode(), "line", "must be 3 values"),
        (f'"anna,{PAN},3011'.encode(), "line", "must be 3 values"),
        (f'"an"na,{PAN},3011'.encode(), "line", "must be 3 values"),
        (b"\xe4nna," + GOOD, "line", "must be 3 values in UTF-8"),
    ],
)
def test_a_line_that_breaks_a_rule_is_named_by_number_column_and_rule(
    tmp_path: Path, line: bytes, column: str, rule: str
) -> None:
    bad, good = cards(tmp_path, line, GOOD).lines()
    assert isinstance(bad, BadLine)
    assert (bad.number, bad.column) == (2, column)
    assert rule in bad.rule
    assert isinstance(good, CardLine) and good.number == 3  # a stray quotation mark spoils its own line alone


def test_of_a_bad_line_only_what_obeys_its_rule_is_kept(tmp_path: Path) -> None:
    lines = cards(tmp_path, f"anna,{PAN},0".encode(), f"{PAN},{PAN},0".encode(), b"bert,4111111111111111,3011").lines()
    assert [(line.customer_id, line.last_four) for line in lines] == [("anna", PAN[-4:]), ("", PAN[-4:]), ("bert", "")]


def test_what_spreadsheets_write_is_read(tmp_path: Path) -> None:
    file = cards(tmp_path, f'"anna","{PAN}","3011"'.encode(), b"", header=b"\xef\xbb\xbf" + HEADER, end=b"\r\n")
    file.check_header()
    assert [type(line) for line in file.lines()] == [CardLine]


@pytest.mark.parametrize("header", [b"", b"customer_id;pan;pan_expiry", b"pan,pan_expiry,customer_id", b"\xff"])
def test_a_file_of_another_kind_is_refused_by_its_header(tmp_path: Path, header: bytes) -> None:
    with pytest.raises(InvalidField, match="FILE: must be CSV in UTF-8 with the header customer_id,pan,pan_expiry"):
        cards(tmp_path, GOOD, header=header).check_header()


def test_a_pipe_is_refused_since_it_cannot_be_read_twice(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidField, match="FILE: must be a plain file"):
        CardFile(tmp_path / "pipe")


def test_a_removed_file_was_overwritten_first(tmp_path: Path) -> None:
    file = cards(tmp_path, *[GOOD] * 100)
    size = file.path.stat().st_size
    os.link(file.path, tmp_path / "another name")  # shows what became of the bytes themselves
    file.remove()
    assert not file.path.exists()
    assert (tmp_path / "another name").read_bytes() == bytes(size)


def test_a_link_leads_to_the_file_that_is_removed(tmp_path: Path) -> None:
    file = cards(tmp_path, GOOD)
    (tmp_path / "link.csv").symlink_to(file.path)
    CardFile(tmp_path / "link.csv").remove()
    assert not file.path.exists()


def log_of(folder: Path) -> ImportLog:
    return ImportLog(folder / "cards.csv.progress")


def test_a_log_goes_on_where_it_was(tmp_path: Path) -> None:
    with log_of(tmp_path) as log:
        assert log.is_new
        log.belongs_to("cards", "network")
        log.put(2, Outcome("saved", "card-1"))
        log.put(3, Outcome("malformed", reason="pan: must be 13 to 19 digits"))
    with log_of(tmp_path) as again:
        assert not again.is_new and not again.finished
        assert again.outcomes == log.outcomes
        again.belongs_to("cards", "network")
        again.finish()
    with log_of(tmp_path) as finished:
        assert finished.finished
        finished.remove()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("lost", range(1, 40))
def test_a_line_that_was_half_written_is_as_if_it_had_not_been(tmp_path: Path, lost: int) -> None:
    with log_of(tmp_path) as log:
        log.belongs_to("cards", "network")
        log.put(2, Outcome("saved", "card-1"))
        log.put(3, Outcome("saved", "card-2"))
    file = tmp_path / "cards.csv.progress"
    os.truncate(file, file.stat().st_size - lost)
    with log_of(tmp_path) as again:
        assert list(again.outcomes) == [2]
        assert file.read_bytes().endswith(b"}\n")  # nothing is left for a new line to be written into
        again.put(4, Outcome("saved", "card-3"))
    with log_of(tmp_path) as once_more:
        assert list(once_more.outcomes) == [2, 4]


def test_a_file_that_no_import_wrote_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "cards.csv.progress").write_bytes(b"my own notes \xff\n")
    with pytest.raises(InvalidField, match=r"FILE: must have no cards\.csv\.progress beside it"):
        log_of(tmp_path)
    assert (tmp_path / "cards.csv.progress").read_bytes() == b"my own notes \xff\n"


def test_two_imports_of_one_file_do_not_run_at_once(tmp_path: Path) -> None:
    with log_of(tmp_path), pytest.raises(Fault, match="are being imported at this moment"):
        log_of(tmp_path)


@pytest.mark.parametrize(
    ("mark", "network", "field"), [("other", "network", "FILE"), ("cards", "other", "network")], ids=["file", "network"]
)
def test_outcomes_of_another_file_or_network_are_not_gone_on_with(
    tmp_path: Path, mark: str, network: str, field: str
) -> None:
    with log_of(tmp_path) as log:
        log.belongs_to("cards", "network")
    with log_of(tmp_path) as again, pytest.raises(InvalidField, match=f"{field}: must be .* remove cards.csv.progress"):
        again.belongs_to(mark, network)


def test_a_file_that_was_changed_has_another_mark(tmp_path: Path) -> None:
    file = cards(tmp_path, GOOD)
    before = file.mark
    assert file.mark == before
    os.utime(file.path, ns=(0, 0))
    assert file.mark != before


def test_the_report_has_a_line_for_each_and_no_number(tmp_path: Path) -> None:
    file = cards(tmp_path, GOOD, b"bert,4111111111111111,3011", GOOD.replace(b"anna", b"carl"))
    outcomes = {2: Outcome("saved", "card-1"), 3: Outcome("malformed", reason="pan: must be so")}
    waiting = {4: "the merchant is away"}
    write_report(tmp_path / "report.csv", file, outcomes, waiting)
    assert (tmp_path / "report.csv").read_bytes().decode() == (
        "line,customer_id,pan_last_four,outcome,card_on_file_id,reason\r\n"
        "2,anna,0012,saved,card-1,\r\n"
        "3,bert,,malformed,,pan: must be so\r\n"
        "4,carl,0012,waiting,,the merchant is away\r\n"
    )
    assert (tmp_path / "report.csv").stat().st_mode & 0o777 == 0o600
    assert tally(outcomes, waiting) == (1, 0, 1, 1)
