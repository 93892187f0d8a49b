"""Two token service providers, real processes over one store, one audit log and one key-encryption key's file."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
from patience import STORE_S
from tsp_provider import ISSUER_TIMEOUT_S, Provider, TinyIssuer
from witness import Witness

from cardnet.border import Border
from cardnet.cde.v1 import issuer_pb2_grpc
from cardnet.cde.v1.token_operator_pb2_grpc import TokenOperatorStub
from cardnet.cde.v1.token_vault_pb2_grpc import TokenVaultStub
from cardnet.client import Channel
from cardnet.doors import methods_of
from cardnet.embedded_store import EmbeddedStore
from cardnet.env import Env, Rng
from cardnet.identity import TSP, Door, door_of
from cardnet.recorder import Recorder
from cardnet.testing.ports import Ports
from cardnet.testing.processes import ServiceProcess
from cardnet.testing.wiring import Wiring
from cardnet.v1.token_lifecycle_pb2_grpc import TokenLifecycleStub
from cardnet.v1.token_service_pb2_grpc import TokenServiceStub
from cardnet.wire import GrpcLink


class Asked(Provider):
    """One of the twins, or whichever gRPC chooses, with the calls that the other tests have too."""

    def __init__(self, bank: TinyIssuer, addresses: dict[Door, str]) -> None:
        self.bank = bank
        self._addresses = addresses
        self._channels: dict[str, Channel] = {}
        self.requestor = self.stub(TokenServiceStub, "merchant")
        self.vault = self.stub(TokenVaultStub, "network")
        self.operator = self.stub(TokenOperatorStub, "operator")
        self.lifecycle = self.stub(TokenLifecycleStub, "operator")

    def _channel(self, caller: str) -> Channel:
        if caller not in self._channels:
            link = GrpcLink("tsp", self._addresses[door_of(caller)], caller)
            self._channels[caller] = Channel(link, Env.of("test"), timeout_s=25)
        return self._channels[caller]

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close()


class Twins:
    """Two processes that began at the same time. Made by `twins`."""

    def __init__(self, store: EmbeddedStore, folder: Path, issuer_at: str, bank: TinyIssuer, ports: Ports) -> None:
        self.processes: list[ServiceProcess] = []
        places: list[dict[Door, str]] = []
        for number in range(2):
            place = {door: ports.take() for door in Door}
            wiring = Wiring(
                addresses={"tsp": place[Door.BUSINESS], "issuer": issuer_at},
                admin_addresses={"tsp": place[Door.ADMIN]},
                store_urls={"tsp": store.url("tsp")},
                extra={
                    "tsp": {
                        "kek_file": str(folder / "tsp.kek"),
                        "kek_file_create": "1",
                        "audit_file": str(folder / "tsp.audit"),
                        "store_timeout_s": STORE_S,
                        "issuer_timeout_s": f"{ISSUER_TIMEOUT_S}",
                    }
                },
            )
            self.processes.append(ServiceProcess("tsp", wiring.settings("tsp"), folder / f"tsp-{number}.log"))
            places.append(place)
        self.one, self.other = (Asked(bank, place) for place in places)
        self._bank = bank
        self.ways = [Witness(int(process.listen.rpartition(":")[2])) for process in self.processes]

    async def start(self) -> None:
        await asyncio.gather(*(process.start() for process in self.processes))

    async def stop(self) -> None:
        for asked in (self.one, self.other):
            await asked.close()
        for process in self.processes:
            await process.stop()

    @asynccontextmanager
    async def either(self) -> AsyncIterator[Asked]:
        """Both, by turns: what an address that stands for two instances comes to, at the door where one pays.

        `ways` sees which of them answers.
        """
        async with self.ways[0] as one, self.ways[1] as other:
            asked = Asked(self._bank, dict.fromkeys(Door, f"ipv4:{one.address},{other.address}"))
            try:
                yield asked
            finally:
                await asked.close()


@asynccontextmanager
async def twins(folder: Path) -> AsyncIterator[Twins]:
    """Two that start at once, on a store that is empty: neither finds keys or a key-encryption key."""
    bank, ports = TinyIssuer(), Ports()
    issuer = Border(Env(Env.of("test").clock, Rng(), Rng()), Door.BUSINESS, Recorder("issuer", []))
    issuer_pb2_grpc.add_IssuerServicer_to_server(bank, issuer)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((methods_of(issuer, _tsp),))
    issuer_at = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    with EmbeddedStore.start(None, ["tsp"]) as store:
        pair = Twins(store, folder, issuer_at, bank, ports)
        try:
            await pair.start()
            yield pair
        finally:
            await pair.stop()
            ports.release()
            await server.stop(None)


def _tsp(_context: Any) -> str:
    return TSP
