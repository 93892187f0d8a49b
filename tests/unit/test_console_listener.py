"""What one who looks at the list is told and when: lines as there is room, what becomes of them always."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from told import recorded, trace_id

from cardnet.console.authorisations import SHOWN
from cardnet.console.news import HANDFUL, LINES_PER_S, MOST_KNOWN, MOST_LINES, Listener, News
from cardnet.traces import archive as archives
from cardnet.traces.archive import Archive
from cardnet.traces.entry import Filter

NOW_S = 1_000.0


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Archive:
    monkeypatch.setattr(archives, "SETTLES_AGAIN_S", 0)  # else who reads a line again reads it a little later
    return Archive()


def listening(archive: Archive, query: str = "", known: int | None = None, marked: Iterable[int] = ()) -> Listener:
    listener = Listener(archive, Filter.parse(query), known, marked=map(trace_id, marked))
    listener.listen()
    return listener


async def crowded(archive: Archive, query: str = "") -> Listener:
    """One who was told lines 1 to 20 of unanswered authorisations at NOW_S, so that there is room for no more."""
    listener = listening(archive, query)
    listener.take(NOW_S)
    await archive.take(recorded(range(1, MOST_LINES + 1), code=""))
    assert lines(listener.take(NOW_S)) == list(range(MOST_LINES, 0, -1))
    return listener


def lines(news: News) -> list[int]:
    return [number(entry.trace_id) for entry in news.lines]


def updates(news: News) -> dict[int, str | None]:
    """The answers, by number; None for what is wanted no more."""
    return {number(id_): entry and entry.outcome for id_, entry in news.updates.items()}


def number(id_: str) -> int:
    return int(id_, 16)


async def test_what_becomes_of_a_line_is_told_though_there_is_no_room_and_many_come(archive: Archive) -> None:
    listener = await crowded(archive)
    await archive.take(recorded([1, 2], code="00"))
    await archive.take(recorded(range(100, 100 + 2 * MOST_LINES)))
    assert updates(news := listener.take(NOW_S)) == {1: "approved", 2: "approved"}
    assert (lines(news), news.matched) == ([], 0)
    assert not listener.take(NOW_S).updates, "once is enough"


async def test_what_becomes_of_a_line_takes_no_new_line_s_place(archive: Archive) -> None:
    listener = await crowded(archive)
    later_s = NOW_S + HANDFUL / LINES_PER_S
    await archive.take(recorded(range(100, 100 + HANDFUL)))
    await archive.take(recorded(range(1, MOST_LINES + 1), code="51"))
    assert lines(news := listener.take(later_s)) == list(range(100 + HANDFUL - 1, 99, -1))
    assert updates(news) == dict.fromkeys(range(1, MOST_LINES + 1), "refused")
    assert news.matched == HANDFUL


async def test_a_line_that_waits_is_told_as_it_is_by_then_and_where_it_stood(archive: Archive) -> None:
    listener = await crowded(archive)
    await archive.take(recorded([100, 101, 102], code=""))
    await archive.take(recorded([100], code="00"))
    news = listener.take(NOW_S + 1)
    assert [(number(entry.trace_id), entry.outcome) for entry in news.lines] == [
        *((102, "unanswered"), (101, "unanswered"), (100, "approved"))
    ]
    assert not news.updates


async def test_what_the_page_had_when_it_was_loaded_is_known_to_it(archive: Archive) -> None:
    await archive.take(recorded(range(1, SHOWN + 2), code=""))
    listener = listening(archive)
    listener.take(NOW_S)
    await archive.take(recorded([2], code="00"))
    assert updates(listener.take(NOW_S)) == {2: "approved"}


async def test_a_line_below_all_that_the_page_lists_is_not_told_as_a_new_one_when_it_changes(archive: Archive) -> None:
    await archive.take(recorded(range(1, SHOWN + 3), code=""))
    listener = listening(archive)
    await archive.take(recorded([1], code="00"))
    assert lines(listener.take(NOW_S)) == list(range(SHOWN + 2, 2, -1)), "nor while the whole list is not told"
    await archive.take(recorded([2], code="00"))
    assert (lines(news := listener.take(NOW_S)), updates(news), news.matched) == ([], {}, 0)


async def test_an_older_line_that_begins_to_match_is_told_while_the_page_lists_all_that_do(archive: Archive) -> None:
    await archive.take(recorded([1], code=""))
    await archive.take(recorded(range(2, SHOWN + 1)))
    listener = listening(archive, "outcome=approved")
    listener.take(NOW_S)
    await archive.take(recorded([1]))
    assert lines(listener.take(NOW_S)) == [1]


async def test_what_is_marked_below_comes_with_the_whole_list_and_what_becomes_of_it_too(archive: Archive) -> None:
    await archive.take(recorded(range(1, SHOWN + 6), code=""))
    await archive.take(recorded([4]))
    listener = listening(archive, "outcome=unanswered", marked=(1, 3, 4, SHOWN, 999))
    news = listener.take(NOW_S)
    assert lines(news) == list(range(SHOWN + 5, 5, -1))
    assert [number(entry.trace_id) for entry in news.marked] == [3, 1], "not twice, and only what matches and is kept"
    await archive.take(recorded([1, 2], code="00"))
    await archive.take(recorded([2], code=""))
    assert (updates(news := listener.take(NOW_S)), lines(news), news.marked) == ({1: None}, [], [])


async def test_a_line_that_is_wanted_no_more_is_taken_away_and_is_new_if_it_is_wanted_again(archive: Archive) -> None:
    listener = await crowded(archive, "outcome=unanswered")
    await archive.take(recorded([1], code="00"))
    assert updates(listener.take(NOW_S)) == {1: None}
    listener.told(replace(archive.entries()[-1], outcome="unanswered"))
    assert (lines(news := listener.take(NOW_S + 1)), updates(news)) == ([1], {})


async def test_a_line_that_waits_and_is_wanted_no_more_is_not_told(archive: Archive) -> None:
    listener = await crowded(archive, "outcome=unanswered")
    await archive.take(recorded([100, 101], code=""))
    await archive.take(recorded([100], code="00"))
    news = listener.take(NOW_S + 1)
    assert (lines(news), updates(news), news.matched) == ([101], {}, 1)


async def test_whoever_begins_is_told_the_whole_list_without_what_is_wanted_no_more(archive: Archive) -> None:
    await archive.take(recorded([1, 2], code=""))
    listener = listening(archive, "outcome=unanswered")
    await archive.take(recorded([1], code="00"))
    first, second = listener.take(NOW_S), listener.take(NOW_S)
    assert (lines(first), updates(first), first.whole, second.whole) == ([2], {}, True, False)


async def test_there_is_an_end_to_what_is_remembered_and_the_newest_are(archive: Archive) -> None:
    listener = listening(archive)
    for turn in range(MOST_KNOWN // MOST_LINES + 1):
        await archive.take(recorded(range(turn * MOST_LINES + 1, (turn + 1) * MOST_LINES + 1), code=""))
        assert len(listener.take(NOW_S + 2 * turn).lines) == MOST_LINES
    await archive.take(recorded(range(1, MOST_KNOWN + MOST_LINES + 1)))
    assert list(updates(listener.take(NOW_S))) == list(range(MOST_LINES + 1, MOST_KNOWN + MOST_LINES + 1))


async def test_what_is_withheld_does_not_count_as_told(archive: Archive) -> None:
    listener = await crowded(archive)
    await archive.take(recorded(range(100, 130)))
    withheld = listener.take(NOW_S)
    again = listening(archive, known=withheld.seen)
    assert (archive.seen, withheld.seen, again.take(NOW_S).matched) == (50, MOST_LINES, 30)
    told = listener.take(NOW_S + 1)
    assert (told.seen, told.matched) == (50, 30)


async def test_what_does_not_match_counts_as_told(archive: Archive) -> None:
    listener = listening(archive, "outcome=refused")
    await archive.take(recorded(range(1, 31)))
    assert listener.take(NOW_S).seen == 30


async def test_the_first_lines_of_all_leave_room_for_a_whole_message(archive: Archive) -> None:
    await archive.take(recorded(range(1, MOST_LINES + 1)))
    listener = listening(archive)
    assert len(listener.take(NOW_S).lines) == MOST_LINES
    await archive.take(recorded(range(100, 100 + MOST_LINES)))
    assert len(listener.take(NOW_S).lines) == MOST_LINES
    await archive.take(recorded([200]))
    assert not listener.take(NOW_S).lines


async def test_the_whole_list_loses_no_line_to_what_comes_before_it_is_told(archive: Archive) -> None:
    await archive.take(recorded(range(1, SHOWN - 4)))
    listener = listening(archive)
    await archive.take(recorded(range(SHOWN - 4, SHOWN + 6)))
    assert lines(listener.take(NOW_S)) == list(range(SHOWN + 5, 5, -1))
