"""`cardnet tail`: the authorisations of a network as they end, one line each."""

import asyncio
import json
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cardnet.cli.identities import identities
from cardnet.cli.words import as_json, checked_address, print_json, warn
from cardnet.errors import InvalidField

if TYPE_CHECKING:
    from cardnet.cli.terminal import Terminal
    from cardnet.client import Channel


@click.command(short_help="The network's authorisations, live, until Ctrl-C.")
@click.option("--outcome", default="", metavar="OUTCOME", help="approved, refused or unanswered.")
@click.option("--merchant", default="", metavar="TEXT", help="A part of the merchant's name.")
@click.option("--token", default="", metavar="DIGITS", help="The last four digits of the token.")
@click.option("--code", default="", metavar="CODE", help="The response code, such as 51.")
@click.option("--slower", default="", metavar="MS", help="At least so slow, in milliseconds.")
@click.option("--count", type=click.IntRange(1), metavar="N", help="Stop after so many; until Ctrl-C if not given.")
@click.option("--collector", default="127.0.0.1:4317", show_default=True, metavar="HOST:PORT")
@identities
@as_json
def tail(collector: str, identities: Path | None, json_: bool, count: int | None, slower: str, **wanted: str) -> None:
    """Print each authorisation from now on, once its trace is complete: trace, amount, answer, time, who decided.

    One whose spans come late is printed again. --json prints one document a line.
    """
    address = checked_address("collector", collector)

    from cardnet.cli.asking import as_cardholder
    from cardnet.traces.entry import Filter

    query = Filter(**wanted, slower_ms=slower).query()
    try:
        Filter.parse(query)  # so that nothing is asked that cannot be answered
    except InvalidField as wrong:
        raise InvalidField(wrong.field.removesuffix("_ms"), wrong.rule) from None
    as_ = as_cardholder("collector", address, identities)

    from cardnet.cli.asking import channel

    async def follow() -> None:
        async with channel("collector", address, as_) as asked:
            await _follow(asked, query, count, json_)

    try:
        asyncio.run(follow())
    except KeyboardInterrupt:
        return  # that is how it is stopped


async def _follow(collector: "Channel", query: str, count: int | None, json_: bool) -> None:
    from cardnet.cli.terminal import Terminal
    from cardnet.v1.traces_pb2 import FollowTracesRequest
    from cardnet.v1.traces_pb2_grpc import TracesStub

    terminal, told, left_out = Terminal(), 0, 0
    stream = TracesStub(collector).FollowTraces(FollowTracesRequest(filter=query))
    async with aclosing(stream) as following:
        async for answer in following:
            if answer.left_out > left_out:
                warn(f"{answer.left_out - left_out:,} were left out: they came quicker than they were taken")
                left_out = answer.left_out
            entry = json.loads(answer.json)
            if json_:
                print_json(entry | {"left_out": left_out})
            else:
                _print(terminal, entry)
            told += 1
            if told == count:
                return


def _print(terminal: "Terminal", entry: dict[str, Any]) -> None:
    from cardnet.cli.terminal import style_of
    from cardnet.traces.picture import SHOWN_DIGITS
    from cardnet.traces.timing import spoken

    answer = entry["answer"] or "no answer"
    decided = f"{entry['decided_by']}, step {entry['decided_at']}" if entry["decided_by"] else ""
    terminal.say(
        (entry["trace_id"][:SHOWN_DIGITS], "bold"),
        f"  {entry['amount']:>14}  ",
        (f"{answer:<28}", style_of(entry["answer"])),
        f"{spoken(entry['elapsed_ms']):>9}  " if entry["elapsed_ms"] else "",
        f"{decided:<20}  ",
        (f"••••{entry['token_last_four']}  " if entry["token_last_four"] else "", "dim"),
        (entry["merchant"], "dim"),
        ("" if entry["complete"] else "  (incomplete)", "yellow"),
    )
