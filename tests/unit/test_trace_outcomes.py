# ruff: noqa: ASYNC240 - a test may wait for a disk
"""Each authorisation is counted once and by its answer, however late the parts of its trace come."""

from collections import Counter
from pathlib import Path

import pytest
from payment_spans import checkout, number, sent, submission

from cardnet.traces import archive as archive_module
from cardnet.traces.archive import Archive
from cardnet.traces.entry import Entry, Filter
from cardnet.traces.line import Line
from cardnet.traces.outcomes import Outcomes


@pytest.fixture(autouse=True)
def nothing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trace settles in the next round, whatever is missing of it, and is read again with each span that comes."""
    monkeypatch.setattr(archive_module, "SETTLES_WITHIN_S", -1.0)
    monkeypatch.setattr(archive_module, "SETTLES_AGAIN_S", 0.0)


async def told(archive: Archive, trace: int, *halves: str, code: str = "00") -> None:
    """Have an archive told these parts of a payment, each settled before the next."""
    for half in halves:
        if half == "merchant":
            calls = [submission(trace, server=False), checkout(trace, code=code)]
        else:
            calls = [submission(trace, server=True)]
        await archive.take(await sent(half, calls))
        await archive._settle_late()


@pytest.mark.parametrize("first", ["merchant", "acquirer"])
async def test_a_trace_whose_halves_come_far_apart_is_counted_once_and_by_its_answer(first: str) -> None:
    archive = Archive(kept=2)
    for half in (first, "acquirer" if first == "merchant" else "merchant"):
        for trace in range(1, 5):
            await told(archive, trace, half)
    assert (archive.seen, archive.outcomes, archive.evicted) == (4, Counter(approved=4), 6)


async def test_a_line_says_what_its_trace_says_also_where_it_is_counted_by_an_answer_that_was_let_go() -> None:
    archive = Archive(kept=2)
    for trace in (1, 2, 3):
        await told(archive, trace, "merchant")
    await told(archive, 1, "acquirer")
    line = archive.entries()[0]
    assert (line.trace_id, line.outcome, line.response_code, line.answer) == (number(1), "unanswered", "", "")
    assert archive.count(Filter(outcome="approved")) == archive.count(Filter(code="00")) == 1
    assert (archive.seen, archive.outcomes) == (3, Counter(approved=3))


async def test_a_span_that_comes_again_when_its_complete_trace_was_let_go_is_no_new_authorisation() -> None:
    archive = Archive(kept=2)
    for trace in (1, 2, 3, 4):
        await told(archive, trace, "merchant", "acquirer")
        assert archive.entries()[0].complete
    await told(archive, 1, "acquirer")
    assert (archive.seen, archive.outcomes) == (4, Counter(approved=4))


async def test_an_answer_that_comes_after_a_restart_is_not_counted_twice(tmp_path: Path) -> None:
    first, second = Archive(kept=2), Archive(kept=2)
    await first.keep_in(tmp_path / "traces.db")
    for trace in (1, 2, 3):
        await told(first, trace, "merchant", code="51")
    await told(first, 1, "acquirer")
    await first.close()
    await second.keep_in(tmp_path / "traces.db")
    assert [entry.outcome for entry in second.entries()] == ["unanswered", "refused"]
    await told(second, 1, "merchant", code="51")
    assert (second.seen, second.outcomes) == (3, Counter(refused=3))


def test_what_is_remembered_of_those_that_were_counted_has_an_end() -> None:
    outcomes = Outcomes(remembered=3)
    for trace in (1, 2, 3, 1, 4):
        outcomes.count(number(trace), "approved")
    assert list(outcomes._counted) == [number(trace) for trace in (3, 1, 4)]
    assert (outcomes.seen, outcomes.by_name) == (4, Counter(approved=4))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"outcome": "approved"}', '{"outcome": []}', "null", "7"])
def test_what_is_no_line_is_not_read_as_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Line.read(text)


def test_a_line_that_was_written_is_read_again_and_one_from_before_counts_as_it_says() -> None:
    entry = Entry(number(1), 1, 2.0, "unanswered", "", "", "12.40 USD", "Shop", "0483", "issuer", 6, (1, 2), True)
    line = Line(entry, "refused")
    assert Line.read(line.written()) == line
    assert Line.read(line.written().replace(', "counted": "refused"', "")) == Line(entry, "unanswered")
    with pytest.raises(ValueError, match="nothing counts so"):
        Line.read(line.written().replace('"counted": "refused"', '"counted": "lost"'))
