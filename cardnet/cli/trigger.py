"""`cardnet trigger`: plays a negative path at a running network, and shows the steps that it took."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cardnet.cli.operator import at_network, roster_of
from cardnet.cli.words import as_json, print_json
from cardnet.identity import CARDHOLDER
from cardnet.response_code import ResponseCode

if TYPE_CHECKING:
    from cardnet.client import Channel
    from cardnet.roster import Roster
    from cardnet.traces.trace import Trace
    from cardnet.triggers import Scene, Trigger

TIMEOUT_S = 20.0


@click.command(short_help="Bring a negative path about, and show its nine steps.")
@click.argument("name", required=False, metavar="[NAME]")
@at_network
@as_json
def trigger(name: str | None, port: int, json_: bool) -> int:
    """Play the negative path NAME at a running network and show the steps of its last payment; without NAME, list all.

    Each opens accounts of its own, so that it can be played as often as one likes. Exit codes: 0 it came out as it is
    to, 1 it did not, 2 could not ask.
    """
    from cardnet import triggers

    if name is None:
        _list(json_)
        return 0
    chosen = triggers.trigger(name)
    roster = roster_of(port)
    scene, trace = asyncio.run(_played(roster, chosen))
    _show(chosen, scene, trace, roster.page_of(scene.trace_id), json_)
    return 0 if scene.response_code == chosen.outcome else 1


async def _played(roster: "Roster", chosen: "Trigger") -> "tuple[Scene, Trace | None]":
    from cardnet.cli.trace import find
    from cardnet.client import Channel
    from cardnet.env import Env
    from cardnet.stage import Stage
    from cardnet.wire import GrpcLink

    channels: dict[tuple[str, str], Channel] = {}

    def channel(service: str, as_: str) -> "Channel":
        if (service, as_) not in channels:
            link = GrpcLink(service, roster.address(service, as_), roster.presented(as_))
            channels[service, as_] = Channel(link, Env.of("cli"), timeout_s=TIMEOUT_S)
        return channels[service, as_]

    try:
        scene = await chosen.play(Stage(channel, Env.of("cli"), _mover(roster)))
    finally:
        for open_ in channels.values():
            await open_.close()
    return scene, (
        await find(roster.collector, roster.presented(CARDHOLDER), scene.trace_id) if scene.trace_id else None
    )


def _mover(roster: "Roster") -> Callable[[timedelta], None] | None:
    if not roster.clock_file:
        return None

    def move(by: timedelta) -> None:
        from cardnet.env import SharedClock

        SharedClock(Path(roster.clock_file), roster.frozen_at).advance(by)

    return move


def _list(json_: bool) -> None:
    from cardnet.triggers import TRIGGERS

    if json_:
        print_json(
            [
                {
                    "name": one.name,
                    "about": one.about,
                    "response_code": one.outcome.value,
                    "meaning": one.outcome.meaning,
                    "moves_clock": one.moves_clock,
                }
                for one in TRIGGERS
            ]
        )
        return

    from cardnet.cli.terminal import Terminal

    rows = [
        (one.name, f"{one.outcome} {one.outcome.meaning}", one.about + (" (clock)" if one.moves_clock else ""))
        for one in TRIGGERS
    ]
    Terminal().table(("trigger", "outcome", "what happens"), rows)
    click.echo("(clock): moves the network's clock, so it needs: cardnet up --clock simulated")


def _show(chosen: "Trigger", scene: "Scene", trace: "Trace | None", page: str, json_: bool) -> None:
    code = ResponseCode(scene.response_code)
    if json_:
        print_json(
            {
                "trigger": chosen.name,
                "response_code": code.value,
                "meaning": code.meaning,
                "expected": chosen.outcome.value,
                "trace_id": scene.trace_id,
                "page": page,
            }
        )
        return

    from cardnet.cli.terminal import Terminal, style_of

    terminal = Terminal()
    if trace:
        terminal.steps(trace)
        terminal.verdict(trace)
        terminal.pan_line(trace)
    said = f"{code} {code.meaning}"
    terminal.say(f"{chosen.name}: {chosen.about}  ", (said, style_of(said)))
    if code is not chosen.outcome:
        terminal.say(f"that is not what it comes to: {chosen.outcome} {chosen.outcome.meaning} was to be the answer")
    if trace:
        terminal.say(("trace ", "dim"), trace.trace_id)
    if page:
        terminal.say(("page  ", "dim"), page)
