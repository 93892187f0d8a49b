"""`cardnet trace`: the nine steps of an authorisation, as the network recorded them."""

import asyncio
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cardnet.cli.identities import identities
from cardnet.cli.words import as_json, checked_address, command_name, print_json
from cardnet.errors import Fault, InvalidField

if TYPE_CHECKING:
    from cardnet.certificates import Identity
    from cardnet.client import Channel
    from cardnet.traced import Trace

LATEST = 10
"""How many authorisations are listed."""

COMPLETE_S = 5.0
"""How long a trace may take to be complete; then it is shown as it is."""

_ID = re.compile(r"[0-9a-f]{4,32}")


@click.command(short_help="The nine steps of an authorisation, and what each changed.")
@click.argument("id", required=False, metavar="[ID]")
@click.option("--all", "every_field", is_flag=True, help="Show every field of every message.")
@click.option("--collector", default="127.0.0.1:4317", show_default=True, metavar="HOST:PORT")
@identities
@as_json
def trace(id: str | None, every_field: bool, collector: str, identities: Path | None, json_: bool) -> None:  # noqa: A002 - the user's word
    """Show the steps of the authorisation whose trace begins with ID, or list the latest ones.

    A step shows what it changed (before → after) and what is new to the one who receives it. PANs and tokens are
    masked before they leave their service.
    """
    address = checked_address("collector", collector)
    if id and not _ID.fullmatch(id.lower()):
        raise InvalidField("ID", "must be 4 to 32 hexadecimal digits: a trace's identifier, or the beginning of one")

    from cardnet.cli.asking import as_cardholder

    as_ = as_cardholder("collector", address, identities)
    if id:
        _show(asyncio.run(find(address, as_, id.lower())), every_field, json_)
    else:
        _show_latest(asyncio.run(_latest(address, as_)), json_)


async def find(address: str, as_: "Identity | str", beginning: str) -> "Trace":
    from cardnet.cli.asking import channel

    async with channel("collector", address, as_, COMPLETE_S) as collector:
        return await _get(collector, beginning)


async def _latest(address: str, as_: "Identity | str") -> "list[Trace]":
    from cardnet.cli.asking import channel
    from cardnet.v1.traces_pb2 import ListTracesRequest
    from cardnet.v1.traces_pb2_grpc import TracesStub

    async with channel("collector", address, as_, COMPLETE_S) as collector:
        listed = await TracesStub(collector).ListTraces(ListTracesRequest(limit=LATEST))
        found = await asyncio.gather(*(_get(collector, id_) for id_ in listed.trace_ids), return_exceptions=True)
    # One that fell out of the collector meanwhile is left out.
    return [trace for trace in found if not isinstance(trace, BaseException)]


async def _get(collector: "Channel", beginning: str) -> "Trace":
    from cardnet.traced import Trace
    from cardnet.v1.traces_pb2 import GetTraceRequest
    from cardnet.v1.traces_pb2_grpc import TracesStub

    found = await TracesStub(collector).GetTrace(GetTraceRequest(trace_id=beginning))
    return Trace.from_json(found.json)


def _show(trace: "Trace", every_field: bool, json_: bool) -> None:
    if json_:
        click.echo(trace.to_json())
        return

    from cardnet.cli.terminal import Terminal
    from cardnet.picture import summary

    terminal, line = Terminal(), summary(trace)
    terminal.headline(line, line.elapsed_ms)
    terminal.steps(trace, every_field=every_field)
    terminal.pan_line(trace)
    terminal.say(("trace ", "dim"), trace.trace_id)


def _show_latest(traces: "list[Trace]", json_: bool) -> None:
    if json_:
        print_json([json.loads(trace.to_json()) for trace in traces])
        return
    if not traces:
        raise Fault(
            "NO_TRACES",
            f"no authorisation has been recorded yet; make one: {command_name()} pay --card approved --amount 12.40",
        )

    from cardnet.cli.terminal import Terminal
    from cardnet.picture import summary

    lines = []
    for trace in traces:
        id_, amount, answer, _, elapsed_ms = summary(trace)
        taken = " ".join(map(str, trace.numbers()))
        lines.append((id_, amount, answer or "no answer", f"{elapsed_ms:.1f} ms" if elapsed_ms else "", taken))
    Terminal().table(("trace", "amount", "answer", "", "steps"), lines)
