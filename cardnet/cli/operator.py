"""Asking a network as one of those whose identities its roster leads to: the operator, mostly."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, TypeVar

import click

from cardnet.cli.words import command_name
from cardnet.errors import InvalidField, Unavailable
from cardnet.identity import OPERATOR

if TYPE_CHECKING:
    from cardnet.cde.v1.token_operator_pb2 import Requestor
    from cardnet.client import Channel
    from cardnet.roster import Roster

S = TypeVar("S")
T = TypeVar("T")

USUAL_PORT = 50051

at_network = click.option(
    "--network",
    "port",
    type=click.IntRange(1, 65_535),
    default=USUAL_PORT,
    show_default=True,
    metavar="PORT",
    help="The network to ask: its merchant's port.",
)
"""The option of every command that acts as somebody."""


class Visit:
    """A network, met as any of those whose identities its roster leads to."""

    def __init__(self, roster: "Roster", channels: AsyncExitStack) -> None:
        self.roster = roster
        self._channels = channels
        self._open: dict[tuple[str, str], Channel] = {}

    async def stub(self, kind: type[S], service: str = "tsp", as_: str = OPERATOR) -> S:
        """A generated stub for a service, asking as somebody. Unavailable where that is not to be had."""
        from cardnet.cli.asking import channel

        if (service, as_) not in self._open:
            opening = channel(service, self.roster.address(service, as_), self.roster.presented(as_))
            self._open[service, as_] = await self._channels.enter_async_context(opening)
        return kind(self._open[service, as_])  # type: ignore[call-arg]

    async def requestor(self, token_requestor_id: str) -> "Requestor":
        """A registered Token Requestor; InvalidField if there is none of that identifier."""
        from cardnet.cde.v1.token_operator_pb2 import ListRequestorsRequest
        from cardnet.cde.v1.token_operator_pb2_grpc import TokenOperatorStub

        listed = await (await self.stub(TokenOperatorStub)).ListRequestors(ListRequestorsRequest())
        for requestor in listed.requestors:
            if requestor.token_requestor_id == token_requestor_id:
                return requestor  # type: ignore[no-any-return]
        raise InvalidField("TRID", f"must be a registered Token Requestor: see {command_name()} requestors list")


def ask(port: int, question: Callable[[Visit], Awaitable[T]]) -> T:
    """Put a question to the network of that port and give its answer. Unavailable if no network of ours runs there."""
    return asyncio.run(_asked(roster_of(port), question))


def roster_of(port: int) -> "Roster":
    """What the network of that port has left; Unavailable says which others there are, or how to start one."""
    from cardnet import roster

    found = roster.find(port)
    if found:
        return found
    others = roster.ports()
    if others:
        advice = f"name the one that you mean: --network {' or '.join(map(str, others))}"
    else:
        options = "" if port == USUAL_PORT else f" --port-base {port}"
        advice = f"start one with: {command_name()} up{options}"
    raise Unavailable("NO_NETWORK", f"no network of yours runs at port {port}; {advice}")


async def _asked(roster: "Roster", question: Callable[[Visit], Awaitable[T]]) -> T:
    async with AsyncExitStack() as channels:
        return await question(Visit(roster, channels))
