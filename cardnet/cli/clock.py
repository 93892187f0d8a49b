"""`cardnet clock`: the time of a network that runs, and moving it on."""

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cardnet.cli.operator import at_network, roster_of
from cardnet.cli.words import InOrder, as_json, command_name, print_json
from cardnet.errors import InvalidField, Unavailable

if TYPE_CHECKING:
    from cardnet.roster import Roster

_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_TIME = re.compile(r"([1-9][0-9]{0,8})([dhms])")


@click.group(cls=InOrder, short_help="The time of a running network, and moving it on.")
def clock() -> None:
    """Look at the clock of a network, and move it on for all five services at once.

    A clock can be moved that is simulated (`cardnet up --clock simulated`) or stands (`cardnet up --frozen-at TIME`).
    """


@clock.command(short_help="What time it is at the network.")
@at_network
@as_json
def show(port: int, json_: bool) -> None:
    """Show the time at a network."""
    _show(roster_of(port), json_)


@clock.command(short_help="Move the clock on, such as by 30d, 2h, 15m or 90s.")
@click.argument("by", metavar="TIME")
@at_network
@as_json
def advance(by: str, port: int, json_: bool) -> None:
    """Move a network's clock on by TIME: a number and d, h, m or s, such as 30d. It never goes back."""
    span = span_of(by)
    roster = roster_of(port)
    if not roster.clock_file:
        raise Unavailable(
            "CLOCK_IS_REAL",
            f"the network at port {port} goes by the real time, which nobody moves; "
            f"start one whose clock can be moved: {command_name()} up --clock simulated",
        )

    from cardnet.env import SharedClock

    try:
        SharedClock(Path(roster.clock_file), roster.frozen_at).advance(span)
    except ValueError:
        raise InvalidField("TIME", f"must not lead beyond {SharedClock.LATEST.year - 1}: expiries end there") from None
    _show(roster, json_)


def span_of(text: str) -> timedelta:
    """A time such as 30d, 2h, 15m or 90s; InvalidField if it is none."""
    written = _TIME.fullmatch(text)
    if not written:
        raise InvalidField(
            "TIME", "must be a whole number and d, h, m or s, such as 30d: a clock is moved forwards alone"
        )
    return timedelta(**{_UNITS[written[2]]: int(written[1])})


def _show(roster: "Roster", json_: bool) -> None:
    from cardnet.env import Clock, SharedClock

    known: Clock = SharedClock(Path(roster.clock_file), roster.frozen_at) if roster.clock_file else Clock()
    now = known.now().isoformat(timespec="seconds").replace("+00:00", "Z")
    ahead = known.ahead if isinstance(known, SharedClock) else timedelta()
    kind = _kind(roster)
    if json_:
        print_json({"now": now, "clock": kind, "ahead_s": int(ahead.total_seconds())})
    else:
        moved = f", moved on by {said(ahead)}" if ahead else ""
        click.echo(f"{now}  {kind}{moved}")


def _kind(roster: "Roster") -> str:
    if not roster.clock_file:
        return "real"
    return "frozen" if roster.frozen_at else "simulated"


def said(span: timedelta) -> str:
    """A time in its units, such as "30 d 2 h"."""
    minutes, seconds = divmod(int(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number)
