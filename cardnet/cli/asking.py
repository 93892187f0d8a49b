"""Questions to a network that runs somewhere: what `cardnet pay` and `cardnet trace` begin with."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import grpc
import grpc.aio
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from cardnet.cli.words import command_name
from cardnet.client import Channel
from cardnet.env import Env
from cardnet.errors import Unavailable
from cardnet.wire import GrpcLink

TIMEOUT_S = 10.0
"""How long an answer may take."""

CONNECT_S = 2.0


@contextlib.asynccontextmanager
async def channel(
    name: str, address: str, timeout_s: float = TIMEOUT_S, credential: str | None = None
) -> AsyncIterator[Channel]:
    """A channel to a service. Unavailable says how to start a network if nothing listens there.

    credential: of the one as whom to ask; None to ask as anyone.
    """
    await _knock(name, address)
    asked = Channel(GrpcLink(name, address), Env.of("cli"), credential=credential, timeout_s=timeout_s)
    try:
        yield asked
    finally:
        await asked.close()


async def health(address: str) -> str:
    """What a service says of itself: "SERVING" or "NOT_SERVING"; "UNREACHABLE" if it says nothing."""
    async with grpc.aio.insecure_channel(address) as asked:
        try:
            answer = await HealthStub(asked).Check(HealthCheckRequest(), timeout=CONNECT_S)
        except grpc.aio.AioRpcError:
            return "UNREACHABLE"
    return str(HealthCheckResponse.ServingStatus.Name(answer.status))


async def _knock(name: str, address: str) -> None:
    """Find out at once whether anybody is there, which gRPC would tell only later and less clearly."""
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except (OSError, OverflowError, TimeoutError):
        raise Unavailable(
            "NO_NETWORK", f"the {name} is not at {address}: no network runs there; start it with: {command_name()} up"
        ) from None
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
