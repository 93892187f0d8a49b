"""How times, counts and texts are written on the console's pages."""

from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

from cardnet.traces.words import printable

MOST_SHOWN = 500
"""Letters of one text. Anybody may send spans, and a field of theirs may have a million."""

_NS_PER_S = 1_000_000_000


def clock_time(ns: int) -> str:
    """Nanoseconds since 1970 as "13:04:05.123" in UTC; empty for 0."""
    return f"{_moment(ns):%H:%M:%S}.{ns % _NS_PER_S // 1_000_000:03}" if ns > 0 else ""


def date_and_time(ns: int) -> str:
    """The same with the day before it: "2026-01-15 13:04:05.123 UTC"."""
    return f"{_moment(ns):%Y-%m-%d} {clock_time(ns)} UTC" if ns > 0 else ""


def count(number: int) -> str:
    """With commas: "10,000"."""
    return f"{number:,}"


def shown(value: Any) -> Any:
    """Text from a trace, fit to be looked at: neither endless nor with signs that turn what stands beside it around."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return printable(value, MOST_SHOWN)


def _moment(ns: int) -> datetime:
    return datetime.fromtimestamp(ns // _NS_PER_S, UTC)
