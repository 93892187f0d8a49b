"""Questions to a network that runs somewhere: what `cardnet pay` and `cardnet trace` begin with."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from cardnet import roster
from cardnet.certificates import Identity
from cardnet.cli.words import command_name
from cardnet.client import Channel
from cardnet.env import Env
from cardnet.errors import Fault, Unavailable
from cardnet.identity import CARDHOLDER
from cardnet.testing.remote import identity_in
from cardnet.wire import GrpcLink

TIMEOUT_S = 20.0
"""How long an answer may take."""

CONNECT_S = 2.0

HEALTH_CHECK = "/grpc.health.v1.Health/Check"


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


async def health(name: str, address: str, as_: Identity | str) -> str:
    """What a service says of itself: "SERVING" or "NOT_SERVING"; "UNREACHABLE" if it says nothing."""
    link = GrpcLink(name, address, as_)
    try:
        answer = await link.call(HEALTH_CHECK, HealthCheckRequest().SerializeToString(), {}, CONNECT_S)
    except Fault:
        return "UNREACHABLE"
    finally:
        await link.close()
    return str(HealthCheckResponse.ServingStatus.Name(HealthCheckResponse.FromString(answer).status))


def as_cardholder(name: str, address: str, folder: Path | None) -> Identity | str:
    """How a cardholder asks at an address: with the identities in a folder, or else of a network of ours that has it.

    Unavailable where neither helps; it says what to do.
    """
    if folder:
        return identity_in(folder, CARDHOLDER)
    for port in roster.ports():
        found = roster.find(port)
        if found and _same(address) in map(_same, (*found.services.values(), found.collector)):
            return found.presented(CARDHOLDER)
    raise _nobody_there(name, address)


def _same(address: str) -> str:
    return address.replace("localhost:", "127.0.0.1:")


def _nobody_there(name: str, address: str) -> Unavailable:
    return Unavailable(
        "NO_NETWORK",
        f"the {name} is not at {address}: no network of yours runs there; start it with: {command_name()} up "
        "(for a network elsewhere, name its certificates: --identities FOLDER)",
    )


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
