"""The clock that all services of a network share, and the spans by which the command line moves it."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cardnet.cli.clock import said, span_of
from cardnet.env import Clock, Env, FrozenClock, SharedClock
from cardnet.errors import InvalidField
from cardnet.testing.clock import NetworkClock

ROOT = Path(__file__).parents[2]

TIMES = 3_000

FROZEN_AT = "2026-01-15T09:00:00Z"
START = datetime(2026, 1, 15, 9, tzinfo=UTC)
MONTH = timedelta(days=30)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "clock"
    SharedClock.create(file)
    return file


def test_whoever_reads_the_file_sees_the_clock_move(file: Path) -> None:
    one, other = SharedClock(file, FROZEN_AT), SharedClock(file, FROZEN_AT)
    one.advance(MONTH)
    assert one.now() == other.now() == START + MONTH
    one.advance(timedelta(microseconds=1))
    assert other.now() == START + MONTH + timedelta(microseconds=1)
    assert other.ahead == MONTH + timedelta(microseconds=1)


def test_a_clock_that_stands_shows_the_same_time_in_both_forms(file: Path) -> None:
    shared, frozen = SharedClock(file, FROZEN_AT), FrozenClock(START)
    assert (shared.now(), shared.now_ns()) == (frozen.now(), frozen.now_ns())
    for clock in (shared, frozen):
        clock.advance(timedelta(hours=2, milliseconds=3))
    assert (shared.now(), shared.now_ns()) == (frozen.now(), frozen.now_ns())


def test_a_clock_that_runs_goes_on_from_where_it_was_moved(file: Path) -> None:
    clock = SharedClock(file)
    earliest = Clock().now()
    assert earliest <= clock.now() <= Clock().now()
    clock.advance(MONTH)
    earliest, earliest_ns = Clock().now() + MONTH, Clock().now_ns() + MONTH // timedelta(microseconds=1) * 1_000
    assert earliest <= clock.now() <= Clock().now() + MONTH
    assert earliest_ns <= clock.now_ns()


def test_the_wall_is_where_it_was_when_the_clock_has_moved(file: Path) -> None:
    clock = SharedClock(file, FROZEN_AT)
    clock.advance(MONTH)
    before_s = Clock().wall_s()
    assert before_s <= clock.wall_s() <= Clock().wall_s()


@pytest.mark.parametrize("by", [timedelta(), -timedelta(microseconds=1), timedelta(days=366 * 64)])
def test_a_clock_goes_forwards_alone_and_not_beyond_what_expiries_can_say(file: Path, by: timedelta) -> None:
    clock = SharedClock(file, FROZEN_AT)
    with pytest.raises(ValueError, match="a clock is moved"):
        clock.advance(by)
    assert clock.now() == START


def test_of_many_who_move_it_at_once_none_is_lost(file: Path) -> None:
    # As processes of their own: threads share an interpreter, which would keep them apart.
    code = (
        "import sys; from datetime import timedelta; from pathlib import Path; from cardnet.env import SharedClock\n"
        f"for _ in range({TIMES}): SharedClock(Path(sys.argv[1]), sys.argv[2]).advance(timedelta(seconds=1))"
    )
    movers = [subprocess.Popen([sys.executable, "-c", code, str(file), FROZEN_AT], cwd=ROOT) for _ in range(4)]
    assert [mover.wait() for mover in movers] == [0] * 4
    assert SharedClock(file, FROZEN_AT).ahead == timedelta(seconds=4 * TIMES)


def test_a_clock_file_is_its_owners_alone_and_is_not_set_back_by_being_made_again(file: Path) -> None:
    assert file.stat().st_mode & 0o777 == 0o600
    SharedClock(file).advance(MONTH)
    SharedClock.create(file)
    assert SharedClock(file).ahead == MONTH


def test_a_service_that_is_told_of_a_clock_file_goes_by_it(file: Path) -> None:
    SharedClock(file).advance(MONTH)
    assert Env.of("tsp", frozen_at=FROZEN_AT, clock_file=str(file)).clock.now() == START + MONTH
    assert Env.of("tsp", frozen_at=FROZEN_AT).clock.now() == START


def test_kept_data_keep_their_clock_and_refuse_one_that_is_behind(tmp_path: Path) -> None:
    run, data = tmp_path / "run", tmp_path / "data"
    run.mkdir()
    clock = NetworkClock("simulated", "")
    clock.prepare(run, data)
    clock.advance(MONTH)
    again = NetworkClock("simulated", "")
    again.prepare(run, data)
    assert SharedClock(Path(again.file)).ahead == MONTH
    with pytest.raises(InvalidField, match="clock: must be simulated here"):
        NetworkClock("real", "").prepare(run, data)


def test_a_clock_that_is_stopped_at_a_time_begins_there_whatever_was_kept(tmp_path: Path) -> None:
    run, data = tmp_path / "run", tmp_path / "data"
    run.mkdir()
    for _ in range(2):
        clock = NetworkClock("real", FROZEN_AT)
        clock.prepare(run, data)
        assert SharedClock(Path(clock.file), FROZEN_AT).now() == START
        Path(clock.file).unlink()


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("30d", timedelta(days=30)),
        ("2h", timedelta(hours=2)),
        ("15m", timedelta(minutes=15)),
        ("90s", timedelta(seconds=90)),
    ],
)
def test_a_span_is_a_number_and_its_unit(text: str, span: timedelta) -> None:
    assert span_of(text) == span


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "-1d", "1.5h", "1w", "٣d", "1d\n", " 1d", "1000000000d", "1d2h"])
def test_what_is_no_span_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidField, match="TIME: must be a whole number and d, h, m or s"):
        span_of(text)


def test_a_span_is_said_in_its_units() -> None:
    assert said(timedelta(days=30, hours=2, seconds=5)) == "30 d 2 h 5 s"
