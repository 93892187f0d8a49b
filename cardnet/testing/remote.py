"""A network that runs elsewhere, such as in containers: what one does there who has an identity for it."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from cardnet.certificates import CERTIFICATE, Identity
from cardnet.client import Channel
from cardnet.env import Env
from cardnet.errors import Unavailable
from cardnet.identity import CARDHOLDER, COLLECTOR
from cardnet.testing.acting import CALL_TIMEOUT_S, TRACE_TIMEOUT_S, Network
from cardnet.traces.trace import Trace
from cardnet.v1.traces_pb2 import GetTraceRequest
from cardnet.v1.traces_pb2_grpc import TracesStub
from cardnet.wire import GrpcLink


class RemoteNetwork(Network):
    """A running network, met at its doors. An async context manager."""

    def __init__(self, addresses: Mapping[str, str], identities: Path) -> None:
        """addresses: host:port of each service that is asked, and of the "collector" (also unix:/path).
        identities: a folder with a folder for each identity, or the cardholder's alone.
        """
        self._env = Env.of("kit")
        self._addresses = addresses
        self._identities = identities
        self._channels: dict[tuple[str, str], Channel] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for channel in self._channels.values():
            await channel.close()

    def channel(self, service: str, as_: str = CARDHOLDER) -> Channel:
        """A channel to a service, asking as somebody. Unavailable where the address or the identity is not known."""
        if (service, as_) not in self._channels:
            if service not in self._addresses:
                raise Unavailable("NO_ADDRESS", f"where the {service} of this network is was not said")
            link = GrpcLink(service, self._addresses[service], identity_in(self._identities, as_))
            self._channels[service, as_] = Channel(link, self._env, timeout_s=CALL_TIMEOUT_S)
        return self._channels[service, as_]

    async def trace(self, trace_id: str) -> Trace:
        """A trace, by its identifier, once it is complete."""
        traces = TracesStub(self.channel(COLLECTOR))
        found = await traces.GetTrace(GetTraceRequest(trace_id=trace_id), timeout=TRACE_TIMEOUT_S)
        return Trace.from_json(found.json)


def identity_in(folder: Path, name: str) -> Identity:
    """Somebody's identity in a folder of identities, or in a folder that is one. Unavailable if there is none."""
    for place in (folder / name, folder):
        if (place / CERTIFICATE).exists():
            return Identity(place)
    raise Unavailable("NO_IDENTITY", f"{folder} has no identity of the {name}: make some with `cardnet certs`")
