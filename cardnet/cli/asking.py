"""Questions to a network that runs somewhere: what `cardnet pay` and `cardnet trace` begin with."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from cardnet import roster
from cardnet.certificates import Identity
from cardnet.cli.words import command_name
from cardnet.client import Channel
from cardnet.env import Env
from cardnet.errors import Unavailable
from cardnet.identity import CARDHOLDER, COLLECTOR
from cardnet.roster import Roster
from cardnet.testing.remote import identity_in
from cardnet.wire import GrpcLink

TIMEOUT_S = 20.0
"""How long an answer may take."""

CONNECT_S = 2.0


@contextlib.asynccontextmanager
async def channel(name: str, address: str, as_: Identity | str, timeout_s: float = TIMEOUT_S) -> AsyncIterator[Channel]:
    """A channel to a service. Unavailable says how to start a network if nothing listens there.

    as_: who asks, as in GrpcLink.
    """
    await _knock(name, address)
    asked = Channel(GrpcLink(name, address, as_), Env.of("cli"), timeout_s=timeout_s)
    try:
        yield asked
    finally:
        await asked.close()


def as_cardholder(name: str, address: str, folder: Path | None) -> Identity | str:
    """How a cardholder asks at an address: with the identities in a folder, or else of a network of ours that has it.

    Unavailable where neither helps; it says what to do.
    """
    if folder:
        return identity_in(folder, CARDHOLDER)
    found = roster_at(address)
    if found:
        return found.presented(CARDHOLDER)
    raise _nobody_there(name, address)


def roster_at(address: str) -> Roster | None:
    """What the network of ours has left that has a door or its collector at an address; None where none has."""
    return next((found for found in roster.all_of_them() if _is_at(found, address)), None)


def _is_at(network: Roster, address: str) -> bool:
    return _same(address) in map(_same, (*network.services.values(), *network.admin.values(), network.collector))


def _same(address: str) -> str:
    return address.replace("localhost:", "127.0.0.1:")


def _nobody_there(name: str, address: str) -> Unavailable:
    others: list[Roster] = []
    with contextlib.suppress(Unavailable):  # a folder that is of no use tells of none
        if asked := roster_at(address):
            return _ended(name, address, asked)
        others = roster.all_of_them()
    if others:
        where = "; ".join(f"the one of port {one.port}: {_options(name, one)}" for one in others)
        sentence = f"the {name} is not at {address}: no network of yours runs there, but elsewhere. To ask {where}"
        return Unavailable("NO_NETWORK", sentence)
    return Unavailable(
        "NO_NETWORK",
        f"the {name} is not at {address}: no network of yours runs there; start it with: {command_name()} up "
        "(for a network elsewhere, name its certificates: --identities FOLDER)",
    )


def _ended(name: str, address: str, of: Roster) -> Unavailable:
    """Of a network that runs, one does not: whoever asked is not to be sent to another network."""
    again = f"start it at {of.levers}" if of.levers else "stop that network and start it again"
    return Unavailable(
        "NEIGHBOUR_UNAVAILABLE",
        f"the {name} does not answer at {address}: it was stopped, or ended by itself, and the rest of the network of "
        f"port {of.port} goes on without it. To have it back, {again}",
    )


def _options(name: str, of: Roster) -> str:
    """How a command is told to ask a network, where the usual address is another's."""
    if name == COLLECTOR:
        return f"--collector {of.collector}"
    return " ".join(f"--{service} {of.services[service]}" for service in ("merchant", "tsp") if service in of.services)


async def _knock(name: str, address: str) -> None:
    """Find out at once whether anybody is there, which gRPC would tell only later and less clearly."""
    if address.startswith("unix:"):
        return
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except (OSError, OverflowError, TimeoutError):
        raise _nobody_there(name, address) from None
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
