"""The rows: each call against the TSP, and beside it the same call against the empty one."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from bench.load import Sample
from bench.vault.house import House
from bench.vault.load import measure, needed
from bench.vault.supply import Supply
from bench.wire import UnaryClient
from cardnet.cde.v1.token_vault_pb2 import DetokeniseResponse
from cardnet.identity import MERCHANT, NETWORK
from cardnet.v1.token_service_pb2 import RequestCryptogramResponse, RequestTokenResponse

CALLS = {1: 300, 8: 1_200, 64: 2_400}
"""How many calls are counted in a stretch, by how many are in flight."""

CALL_ROWS = {
    "provision": "provision (RequestToken)",
    "cryptogram": "cryptogram (RequestCryptogram)",
    "detokenise": "de-tokenise with verification",
}

EMPTY = "-empty"
"""What the name of a row's empty twin ends with."""


@dataclass(frozen=True)
class VaultRow:
    """A call that is measured."""

    prepare: Callable[[int], Awaitable[Sequence[Message]]]
    client: UnaryClient[Any]
    empty_client: UnaryClient[Any]
    approved: Callable[[Any], bool]
    house: House

    async def measure(self, in_flight: int, share: float) -> Sample:
        """A stretch against the TSP. share: of CALLS, for who is in a hurry."""
        requests = await self.prepare(needed(int(CALLS[in_flight] * share), in_flight))
        return await measure(self.client.ask, self.approved, requests, in_flight, self.house.processes)

    async def measure_empty(self, in_flight: int, share: float) -> Sample:
        """A stretch against the empty TSP: one request of the same kind and length, over and over."""
        requests = list(await self.prepare(1)) * needed(int(CALLS[in_flight] * share), in_flight)
        return await measure(self.empty_client.ask, self.approved, requests, in_flight, self.house.empty_processes)

    def close(self) -> None:
        """Let go of both."""
        self.client.close()
        self.empty_client.close()


async def call_rows(house: House, supply: Supply) -> Mapping[str, VaultRow]:
    """The rows by their names in CALL_ROWS, connected."""
    prepared: dict[str, tuple[Any, str, type[Message], str, Callable[[Any], bool]]] = {
        "provision": (
            supply.token_requests,
            "/cardnet.v1.TokenService/RequestToken",
            RequestTokenResponse,
            MERCHANT,
            lambda answer: answer.response_code == "00",
        ),
        "cryptogram": (
            supply.cryptogram_requests,
            "/cardnet.v1.TokenService/RequestCryptogram",
            RequestCryptogramResponse,
            MERCHANT,
            lambda answer: answer.response_code == "00",
        ),
        "detokenise": (
            supply.detokenisations,
            "/cardnet.cde.v1.TokenVault/Detokenise",
            DetokeniseResponse,
            NETWORK,
            lambda answer: bool(answer.pan),
        ),
    }
    return {
        name: VaultRow(
            prepare,
            await house.client(method, answer, as_),
            await house.empty_client(method, answer),
            approved,
            house,
        )
        for name, (prepare, method, answer, as_, approved) in prepared.items()
    }
