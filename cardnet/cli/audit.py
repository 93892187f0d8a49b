"""`cardnet audit`: what a network's token service provider has written down of its doings."""

import asyncio
import importlib
import json
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cardnet.cli.operator import at_network, roster_of
from cardnet.cli.private_file import kek_in
from cardnet.cli.words import InOrder, as_json, complain, print_json
from cardnet.errors import InvalidField, Unavailable

if TYPE_CHECKING:
    from cardnet.roster import Roster

_SHOWN = ("seq", "at", "op", "ref", "version", "caller", "result")

_SHOWN_DIGITS = 8


@click.group(cls=InOrder, short_help="The token service provider's audit log.")
def audit() -> None:
    """The audit log of a network's token service provider: every de-tokenisation and every change of a token."""


@audit.command(short_help="Whether every event stands as it was written.")
@click.option(
    "--kek-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The file of the key-encryption key; the network's own unless given.",
)
@at_network
@as_json
def verify(kek_file: Path | None, port: int, json_: bool) -> int:
    """Hold every event against its place in the chain: none was altered, taken out or put in.

    Exit codes: 0 all are in order, 1 one is not, 2 could not look.
    """
    roster = roster_of(port)
    log = _log_of(roster)
    report = _verified(roster, log, kek_file or _own_kek(roster))
    if json_:
        print_json({"file": str(log), "in_order": report.lines, "last_at": report.last_at, "problem": report.problem})
    elif not report.problem:
        click.echo(f"{report.lines:,} events are in order, the last of {report.last_at or 'no time'}: {log}")
    else:
        complain(f"{report.problem}; {report.lines:,} events before it are in order: {log}")
    return 1 if report.problem else 0


@audit.command(short_help="The latest events.")
@click.option("--last", type=click.IntRange(1), default=20, show_default=True, metavar="N", help="How many.")
@at_network
@as_json
def show(last: int, port: int, json_: bool) -> None:
    """Show the latest events, oldest first. Tokens stand there by their references."""
    events = _latest(_log_of(roster_of(port)), last)
    if json_:
        print_json(events)
        return

    from cardnet.cli.terminal import Terminal

    lines = [tuple(_cell(name, event.get(name, "")) for name in _SHOWN) for event in events]
    Terminal().table(_SHOWN, lines)


def _log_of(roster: "Roster") -> Path:
    file = Path(roster.audit_file)
    if not roster.audit_file or not file.exists():
        raise Unavailable("NO_AUDIT_LOG", f"the network at port {roster.port} has no audit log on this machine")
    return file


def _own_kek(roster: "Roster") -> Path:
    if not roster.kek_file:
        raise InvalidField("kek-file", "must be given: this network has no key file of its own")
    return Path(roster.kek_file)


def _verified(roster: "Roster", log: Path, kek_file: Path) -> Any:
    # By name, since nothing here may import a service: the log's form is the token service provider's own.
    keyring = importlib.import_module("services.tsp.keyring")
    wrapped = asyncio.run(_read(roster.vault_store, keyring.PLACE))
    try:
        return importlib.import_module("services.tsp.audit").verify_file(log, wrapped, bytes.fromhex(kek_in(kek_file)))
    except keyring.VaultShut as shut:
        raise Unavailable("AUDIT_KEY_UNKNOWN", f"the log cannot be verified: {shut}") from None


async def _read(store_url: str, place: str) -> bytes:
    from cardnet.store import Store

    store = Store(store_url, owner="audit")
    try:
        return await store.command("GET", place) or b""
    finally:
        await store.close()


def _latest(file: Path, last: int) -> list[dict[str, Any]]:
    with file.open("rb") as log:
        lines = deque(log, last)
    events = []
    for line in lines:
        if not line.endswith(b"\n"):
            continue  # it is being written at this moment
        event: Any = None
        with suppress(ValueError):
            event = json.loads(line)
        if not isinstance(event, dict):
            raise InvalidField("audit log", "must be as it was written; a line is no event")
        events.append(event)
    return events


def _cell(name: str, value: object) -> str:
    return str(value)[:_SHOWN_DIGITS] if name == "ref" else str(value)
