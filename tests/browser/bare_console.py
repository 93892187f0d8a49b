"""A console without a network: a test fills its archive, or writes its messages itself."""

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from told import trace_id

from cardnet.console.served import ServedConsole
from cardnet.console.site import Console
from cardnet.traces.archive import Archive


@asynccontextmanager
async def console_at(archive: Archive, address: str) -> AsyncIterator[str]:
    """A console over an archive that a test fills: its origin."""
    console = ServedConsole(Console(archive), address)
    await console.open()
    try:
        yield console.origin
    finally:
        await console.close()


def as_told(
    lines: Iterable[int],
    matched: int,
    seen: int,
    updates: Iterable[tuple[int, str]] = (),
    told: int = 0,
    whole: str = "",
) -> str:
    """A message as the console writes it: of each line its number, of an update also what it says, empty for nothing.

    matched: how many came since the one before. seen: how many there are. told: up to where lines were taken; 0: all.
    whole: what is said of the list, where the lines are all of it.
    """
    message = {
        "counts": {"seen": seen, "approved": 0, "refused": 0, "unanswered": 0, "lost": 0},
        "seen": told or seen,
        "matched": matched,
        "whole": whole,
        "lines": [_line(number, "first") for number in lines],
        "updates": [_line(number, says) for number, says in updates],
    }
    return f"event: news\ndata: {json.dumps(message)}\n\n"


def _line(number: int, says: str) -> dict[str, str]:
    row = '<tr data-id="{0}"><td><input type="checkbox"></td><th><a href="/">{0}</a></th><td>{1}</td></tr>'
    return {"id": trace_id(number), "html": row.format(trace_id(number), says) if says else ""}
