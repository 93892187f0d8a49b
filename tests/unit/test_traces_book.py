# ruff: noqa: ASYNC240 - a test may wait for a disk
"""Traces that are kept on disk are there again; a disk that fails costs nothing but that, and is told once."""

import asyncio
import sqlite3
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from patience import AMPLE_S
from payment_spans import checkout, number, paid, sent, submission

from cardnet.traces.archive import Archive
from cardnet.traces.book import Book
from cardnet.traces.kept import MOST_SPANS


async def archive_in(path: Path, kept: int = 100) -> Archive:
    archive = Archive(kept)
    await archive.keep_in(path)
    return archive


def written(book: Book, counts: dict[str, int]) -> None:
    """Write all that waits."""
    book.mark(counts)
    book.write()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "traces.db"


async def test_traces_list_and_counts_are_there_after_a_restart(path: Path) -> None:
    first = await archive_in(path)
    for trace, code in ((1, "00"), (2, "51"), (3, "00")):
        await first.take(await sent("merchant", [submission(trace, server=False), checkout(trace, code=code)]))
        await first.take(await sent("acquirer", [submission(trace, server=True)]))
    await first.close()

    second = await archive_in(path)

    assert second.entries() == first.entries() and len(second.entries()) == 3
    assert (second.seen, second.outcomes) == (3, {"approved": 2, "refused": 1})
    assert second.find_now(number(2)) == first.find_now(number(2))
    assert second.spans(number(2)) == first.spans(number(2))
    assert (second.not_kept, second.dropped) == (0, 0)


async def test_a_trace_that_was_cut_off_by_the_restart_is_counted_once_it_settles(path: Path) -> None:
    first = await archive_in(path)
    await first.take(await sent("merchant", [submission(1, server=False), checkout(1)]))
    assert first.seen == 0
    await first.close()
    second = await archive_in(path)
    assert second.seen == 0
    await second.take(await sent("acquirer", [submission(1, server=True)]))
    assert (second.seen, second.outcomes) == (1, {"approved": 1})


async def test_lines_that_come_before_the_disk_has_its_turn_do_not_go_without_their_counts(path: Path) -> None:
    free = threading.Event()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    first = await archive_in(path)
    await first.take(await paid(1))
    held = asyncio.create_task(asyncio.to_thread(free.wait, AMPLE_S))
    writing = asyncio.create_task(first._write())
    await asyncio.sleep(0)  # it waits for the thread
    for trace in (2, 3):
        await first.take(await paid(trace, code="51"))
    free.set()
    await asyncio.gather(held, writing)
    killed = path.with_name("killed.db")
    with closing(sqlite3.connect(path)) as now, closing(sqlite3.connect(killed)) as copy:
        now.backup(copy)
    await first.close()

    second, cut_off = await archive_in(path), await archive_in(killed)

    assert (second.seen, second.outcomes) == (3, {"approved": 1, "refused": 2})
    assert (cut_off.seen, cut_off.outcomes, len(cut_off.entries())) == (1, {"approved": 1}, 1)


async def test_counts_are_written_also_where_nothing_else_is(path: Path) -> None:
    archive = await archive_in(path)
    for _ in range(MOST_SPANS):
        await archive.take(await paid(1))
    await archive._write()
    await archive.take(await paid(1))
    await archive.close()
    assert (archive.let_go, (await archive_in(path)).let_go) == (1, 1)


async def test_where_nothing_has_come_nothing_is_written(path: Path) -> None:
    archive = await archive_in(path)
    await archive.take(await paid(1))
    await archive._write()
    so_far = archive._book._file.total_changes
    await archive._write()
    assert archive._book._file.total_changes == so_far > 0
    await archive.close()


async def test_what_is_let_go_is_deleted(path: Path) -> None:
    archive = await archive_in(path, kept=2)
    for trace in range(1, 6):
        await archive.take(await paid(trace))
    await archive.close()
    with closing(sqlite3.connect(path)) as file:
        assert {row[0] for row in file.execute("SELECT trace FROM spans")} == {number(4), number(5)}
        assert {row[0] for row in file.execute("SELECT trace FROM entries")} == {number(4), number(5)}
    again = await archive_in(path, kept=1)
    assert again.latest(10) == [number(5)] and (again.seen, again.evicted) == (5, 4)


async def test_nobody_else_may_read_the_file(path: Path) -> None:
    path.touch(mode=0o644)
    archive = await archive_in(path)
    await archive.take(await paid(1))
    written(archive._book, {})
    modes = {file.name: oct(file.stat().st_mode & 0o777) for file in path.parent.iterdir()}
    assert modes == dict.fromkeys(("traces.db", "traces.db-wal", "traces.db-shm"), "0o600")
    await archive.close()


@pytest.mark.parametrize("how", ["no database at all", "pages overwritten"])
async def test_a_damaged_file_is_moved_aside_and_a_new_one_begun(path: Path, how: str, caplog) -> None:
    first = await archive_in(path)
    for trace in range(1, 40):
        await first.take(await paid(trace))
    await first.close()
    sound = path.read_bytes()
    damaged = b"rubbish" * 1000 if how == "no database at all" else sound[:4096] + b"\xff" * (len(sound) - 4096)
    path.write_bytes(damaged)

    second = await archive_in(path)

    assert second.entries() == []
    assert path.with_name("traces.db.damaged").read_bytes() == damaged
    (told,) = [record.getMessage() for record in caplog.records]
    assert "damaged" in told
    await second.take(await paid(1))
    await second.close()
    assert (await archive_in(path)).latest(10) == [number(1)]


@pytest.mark.parametrize("why", ["a folder in its place", "no folder to be in", "another version"])
async def test_a_file_that_cannot_be_had_is_told_once_and_the_archive_goes_on(path: Path, why: str, caplog) -> None:
    if why == "a folder in its place":
        path.mkdir()
    elif why == "no folder to be in":
        path.parent.joinpath("file").touch()
        path = path.parent / "file" / "traces.db"
    else:
        with closing(sqlite3.connect(path)) as file:
            file.execute("PRAGMA user_version = 99")
    archive = await archive_in(path)
    for trace in (1, 2):
        await archive.take(await paid(trace))
    await archive.close()
    assert [entry.trace_id for entry in archive.entries()] == [number(2), number(1)]
    assert archive.not_kept == 2
    assert len(caplog.records) == 1 and "in memory alone" in caplog.text


async def test_a_full_disk_is_told_once_and_counted_and_written_to_again_when_there_is_room(path: Path, caplog) -> None:
    archive = await archive_in(path, kept=3)
    await archive.take(await paid(1))
    written(archive._book, {})
    (pages,) = archive._book._file.execute("PRAGMA page_count").fetchone()
    archive._book._file.execute(f"PRAGMA max_page_count = {pages}")
    for trace in (2, 3, 4):
        for _ in range(20):
            await archive.take(await paid(trace))
        written(archive._book, {})
    assert archive.not_kept == 60
    assert len(archive.entries()) == 3
    assert ["disk is full" in record.getMessage() for record in caplog.records] == [True]
    archive._book._file.execute("PRAGMA max_page_count = 100000")
    await archive.take(await paid(5))
    await archive.close()
    again = await archive_in(path)
    assert again.latest(10) == [number(5)], "what was let go while the disk was full is deleted, too"


async def test_what_waits_for_the_disk_is_bounded_and_what_is_too_much_is_counted(path: Path, monkeypatch) -> None:
    monkeypatch.setattr("cardnet.traces.book.WAITING_BYTES", 1_600)
    book = Book(path)
    for _ in range(10):
        book.add(number(1), b"", b"x" * 300)
    assert book.not_kept == 7
    written(book, {})
    assert len(list(book.rows())) == 3
    book.close()


async def test_rows_that_somebody_else_wrote_break_nothing(path: Path) -> None:
    book = Book(path)
    book.add(number(1), b"\xff", b"\xff\xff")
    book.add("rubbish", b"", b"")
    book.enter(number(2), "{}")
    written(book, {"seen": 1})
    book.close()
    archive = await archive_in(path)
    assert archive.entries() == [] and archive.seen == 1
    await archive.take(await paid(2))
    assert len(archive.entries()) == 1


async def test_a_file_that_sqlite_quotes_in_its_own_words_is_damaged_whatever_the_words_are(path: Path, caplog) -> None:
    first = await archive_in(path)
    await first.take(await paid(1))
    await first.close()
    # The name of an index, where it is no text: SQLite's complaint has it, and Python cannot read the complaint.
    sound = path.read_bytes()
    path.write_bytes(sound.replace(b"spans_by_trace", b"\xff" * 5 + b" by_trace"))
    assert path.read_bytes() != sound
    second = await archive_in(path)
    assert second.entries() == [] and "damaged" in caplog.text
    await second.take(await paid(2))
    await second.close()
    assert (await archive_in(path)).latest(10) == [number(2)]


async def test_lines_of_the_list_and_deletions_wait_within_the_same_bounds(path: Path, monkeypatch) -> None:
    monkeypatch.setattr("cardnet.traces.book.WAITING_BYTES", 10_000)
    book = Book(path)
    for trace in range(1_000):
        book.enter(number(trace), "{}")
        book.forget(number(trace))
    assert len(book._waiting) < 100
    written(book, {})
    book.enter(number(1), "{}")
    assert len(book._waiting) == 1, "there is room again"
    book.close()


def test_nothing_is_lost_or_doubled_that_comes_while_a_thread_writes(path: Path) -> None:
    book, interval = Book(path), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    ended = threading.Event()

    def writes() -> None:
        while not ended.is_set():
            written(book, {})

    writing = threading.Thread(target=writes)
    writing.start()
    try:
        for trace in range(20_000):
            book.add(number(trace), b"", b"x")
            book.forget("another")
    finally:
        ended.set()
        writing.join()
        sys.setswitchinterval(interval)
    written(book, {})
    assert [row.trace_id for row in book.rows()] == [number(trace) for trace in range(20_000)]
    assert book.not_kept == 0
    book.close()
