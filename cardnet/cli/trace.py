"""`cardnet trace`: the nine steps of an authorisation, as the network recorded them."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from cardnet.cli.identities import identities
from cardnet.cli.words import as_json, checked_address, command_name, print_json
from cardnet.errors import Fault, InvalidField, NotFound

if TYPE_CHECKING:
    from cardnet.certificates import Identity
    from cardnet.client import Channel
    from cardnet.traces.trace import Trace

T = TypeVar("T")

LATEST = 10
"""How many authorisations are listed."""

COMPLETE_S = 5.0
"""How long a trace may take to be complete; then it is shown as it is."""

_ID = re.compile(r"[0-9a-f]{4,32}")


@click.command(short_help="An authorisation's nine steps, or how two differ.")
@click.argument("words", nargs=-1, metavar="[ID | diff ID ID]")
@click.option("--all", "every_field", is_flag=True, help="Show every field of every message.")
@click.option("--mermaid", "shape", flag_value="mermaid", help="Print a Mermaid sequence diagram.")
@click.option("--svg", "shape", flag_value="svg", help="Print a sequence picture as SVG.")
@click.option("--otlp", "shape", flag_value="otlp", help="Print the spans, as OTLP's JSON.")
@click.option("--collector", default="127.0.0.1:4317", show_default=True, metavar="HOST:PORT")
@identities
@as_json
def trace(
    words: Sequence[str],
    every_field: bool,
    shape: str | None,
    collector: str,
    identities: Path | None,
    json_: bool,
) -> int:
    """Show the steps of the authorisation whose trace begins with ID, or list the latest ones.

    A step shows what it changed (before → after) and what is new to the one who receives it. PANs and tokens are
    masked before they leave their service. `diff` shows where two authorisations differ, the first step that does
    marked. Exit codes of it: 0 they went the same way, 1 they did not, 2 could not ask.
    """
    address = checked_address("collector", collector)
    ids = _checked(words, shape, every_field=every_field, json_=json_)

    from cardnet.cli.asking import as_cardholder

    as_ = as_cardholder("collector", address, identities)
    if len(ids) == 2:
        return _compare(asyncio.run(asked(address, as_, lambda channel: _both(channel, ids))), json_)
    if shape == "otlp":
        click.echo(asyncio.run(asked(address, as_, lambda channel: _spans(channel, ids[0]))))
    elif ids:
        _show(asyncio.run(find(address, as_, ids[0])), every_field, "json" if json_ else shape or "")
    else:
        _show_latest(asyncio.run(asked(address, as_, _latest)), json_)
    return 0


def _checked(words: Sequence[str], shape: str | None, *, every_field: bool, json_: bool) -> list[str]:
    """The identifiers: none, one, or two that are to be compared."""
    compared = words[:1] == ("diff",)
    ids = [word.lower() for word in words[compared:]]
    if compared and len(ids) != 2:
        raise InvalidField("diff", "must be followed by two IDs")
    if len(ids) > 1 and not compared:
        raise InvalidField("ID", "must be one; to compare two: diff ID ID")
    if not all(map(_ID.fullmatch, ids)):
        raise InvalidField("ID", "must be 4 to 32 hexadecimal digits: a trace's identifier, or the beginning of one")
    if shape and json_:
        raise InvalidField("json", f"must be left out where --{shape} is given")
    if shape and len(ids) != 1:
        raise InvalidField(shape, "must go with one ID")
    if every_field and (shape or len(ids) != 1):
        raise InvalidField("all", "must go with one ID, and without --mermaid, --svg and --otlp")
    return ids


async def asked(address: str, as_: "Identity | str", question: "Callable[[Channel], Awaitable[T]]") -> T:
    """What the collector at an address says."""
    from cardnet.cli.asking import channel

    async with channel("collector", address, as_, COMPLETE_S) as collector:
        return await question(collector)


async def find(address: str, as_: "Identity | str", beginning: str) -> "Trace":
    """The trace that begins so, once it is complete."""
    return await asked(address, as_, lambda channel: _get(channel, beginning))


async def _latest(collector: "Channel") -> "list[Trace]":
    from cardnet.v1.traces_pb2 import ListTracesRequest
    from cardnet.v1.traces_pb2_grpc import TracesStub

    listed = await TracesStub(collector).ListTraces(ListTracesRequest(limit=LATEST))
    found = await asyncio.gather(*(_get(collector, id_) for id_ in listed.trace_ids), return_exceptions=True)
    traces = []
    for one in found:
        if isinstance(one, NotFound):
            continue  # it fell out of the collector meanwhile
        if isinstance(one, BaseException):
            raise one
        traces.append(one)
    return traces


async def _both(collector: "Channel", ids: Sequence[str]) -> "tuple[Trace, Trace]":
    a, b = await asyncio.gather(*(_get(collector, id_) for id_ in ids))
    return a, b


async def _get(collector: "Channel", beginning: str) -> "Trace":
    from cardnet.traces.trace import Trace
    from cardnet.v1.traces_pb2 import GetTraceRequest
    from cardnet.v1.traces_pb2_grpc import TracesStub

    found = await TracesStub(collector).GetTrace(GetTraceRequest(trace_id=beginning))
    return Trace.from_json(found.json)


async def _spans(collector: "Channel", beginning: str) -> str:
    from cardnet.v1.traces_pb2 import GetTraceRequest
    from cardnet.v1.traces_pb2_grpc import TracesStub

    return str((await TracesStub(collector).GetSpans(GetTraceRequest(trace_id=beginning))).otlp_json)


def _show(trace: "Trace", every_field: bool, shape: str) -> None:
    from cardnet.traces.drawing import document
    from cardnet.traces.mermaid import mermaid

    shapes: dict[str, Callable[[], str]] = {
        "json": trace.to_json,
        "svg": lambda: document(trace).rstrip(),
        "mermaid": lambda: mermaid(trace).rstrip(),
    }
    if shape:
        click.echo(shapes[shape]())
        return

    from cardnet.cli.terminal import Terminal
    from cardnet.traces.picture import summary

    terminal, line = Terminal(), summary(trace)
    terminal.headline(line, line.elapsed_ms)
    terminal.steps(trace, every_field=every_field, timed=True)
    terminal.verdict(trace)
    terminal.pan_line(trace)
    terminal.say(("trace ", "dim"), trace.trace_id)


def _compare(traces: "tuple[Trace, Trace]", json_: bool) -> int:
    from cardnet.cli.terminal import Terminal
    from cardnet.traces.difference import compare

    difference = compare(*traces)
    if json_:
        print_json({"a": traces[0].trace_id, "b": traces[1].trace_id, **difference.document()})
    else:
        Terminal().difference(difference, *traces)
    return 1 if difference.first else 0


def _show_latest(traces: "list[Trace]", json_: bool) -> None:
    if json_:
        print_json([json.loads(trace.to_json()) for trace in traces])
        return
    if not traces:
        raise Fault(
            "NO_TRACES",
            f"no authorisation is kept; make one: {command_name()} pay --card approved --amount 12.40",
        )

    from cardnet.cli.terminal import Terminal

    headings = ("trace", "amount", "answer", "", "decided by", "steps")
    Terminal().table(headings, list(map(_listed, traces)))


def _listed(trace: "Trace") -> tuple[str, ...]:
    """An authorisation's line of the list."""
    from cardnet.traces.picture import summary
    from cardnet.traces.timing import spoken
    from cardnet.traces.verdict import verdict_of

    id_, amount, answer, _, elapsed_ms = summary(trace)
    verdict = verdict_of(trace)
    decided = f"{verdict.service}, step {verdict.step}" if verdict else ""
    taken = " ".join(map(str, trace.numbers()))
    return (id_, amount, answer or "no answer", spoken(elapsed_ms) if elapsed_ms else "", decided, taken)
