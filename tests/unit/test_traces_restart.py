# ruff: noqa: ASYNC240 - a test may wait for a disk
"""What a restart finds on disk is what there was: each line as its trace was, each authorisation counted once."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from payment_spans import checkout, number, paid, sent, submission

from cardnet.traces import archive as archive_module
from cardnet.traces import book as book_module
from cardnet.traces.archive import Archive
from cardnet.traces.book import Book
from cardnet.traces.spans import trace_of
from cardnet.traces.trace import Trace


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "traces.db"


async def archive_in(path: Path) -> Archive:
    archive = Archive()
    await archive.keep_in(path)
    return archive


@contextmanager
def refusing(book: Book, path: Path) -> Iterator[None]:
    """A disk that takes nothing for a while."""
    file, book._file = book._file, sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False)
    yield
    book._file.close()
    book._file = file


async def test_a_line_that_the_disk_refused_is_written_later_and_counted_once_after_a_restart(path: Path) -> None:
    first = await archive_in(path)
    for trace in (1, 2):
        await first.take(await sent("merchant", [submission(trace, server=False), checkout(trace)]))
    await first._write()
    with refusing(first._book, path):
        for trace in (1, 2):
            await first.take(await sent("acquirer", [submission(trace, server=True)]))
        await first._write()
    assert (first.seen, first.lost) == (2, 2)
    await first.close()

    second = await archive_in(path)

    assert second.entries() == first.entries() and len(second.entries()) == 2
    assert (second.seen, second.outcomes) == (2, Counter(approved=2))
    await second.close()


async def test_a_line_of_which_all_spans_were_lost_does_not_stay_in_the_file_for_ever(path: Path) -> None:
    first = await archive_in(path)
    with refusing(first._book, path):
        await first.take(await paid(1))
        await first._write()
    await first.take(await paid(2))
    await first.close()
    second = await archive_in(path)
    assert list(second._book.entries()) == [number(2)] and second.latest(10) == [number(2)]
    await second.close()


def test_of_lines_and_deletions_that_the_disk_refuses_the_last_wait_and_not_too_many(path: Path, monkeypatch) -> None:
    monkeypatch.setattr(book_module, "AGAIN", 7)
    book = Book(path)
    with refusing(book, path):
        for trace in (1, 2, 3, 1, 2, 3):
            book.add(number(trace), b"", b"span")
            book.enter(number(trace), "before")
            book.forget(number(trace))
            book.enter(number(trace), "last")
            book.mark({})
            book.write()
    assert len(book._waiting) == 7 and book._waiting_bytes > 0
    book.mark({})
    book.write()
    assert book.entries() == {number(1): "last", number(2): "last"} and book.not_kept == 6
    assert book._waiting_bytes == 0
    book.close()


async def test_a_line_is_as_its_trace_was_at_the_end_also_where_the_last_of_it_came_just_before(path: Path) -> None:
    first = await archive_in(path)
    await first.take(await sent("acquirer", [submission(1, server=True)]))
    first._settle(number(1))
    assert [entry.outcome for entry in first.entries()] == ["unanswered"]
    await first.take(await sent("merchant", [submission(1, server=False), checkout(1)]))
    assert list(first._unsettled) == [number(1)], "it was read a moment ago"
    await first.close()

    second = await archive_in(path)

    assert [(entry.outcome, entry.complete) for entry in second.entries()] == [("approved", True)]
    assert (second.seen, +second.outcomes) == (1, Counter(approved=1))
    await second.close()


@pytest.mark.parametrize("text", ["{}", '{"steps": ' + "[" * 100_000], ids=["another version's", "endless"])
async def test_a_line_that_cannot_be_read_nor_made_anew_keeps_no_other_out(
    text: str, path: Path, monkeypatch, caplog
) -> None:
    def breaks(trace_id: str, spans: object) -> Trace:
        if trace_id == number(1):
            raise RuntimeError(trace_id)
        return trace_of(trace_id, spans)

    first = await archive_in(path)
    for trace in (1, 2, 3):
        await first.take(await paid(trace))
    for trace in (1, 2):
        first._book.enter(number(trace), text)
    await first.close()
    monkeypatch.setattr(archive_module, "trace_of", breaks)

    second = await archive_in(path)

    assert [entry.trace_id for entry in second.entries()] == [number(3), number(2)]
    assert second.seen == 3 and caplog.text.count("RuntimeError") == 1
    await second.close()
