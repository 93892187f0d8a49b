"""Two acquirers and two networks over real stores, for one payment, with a director who says what happens next.

Behind the networks stand a token service provider and an issuer of few lines.
"""

import asyncio
from typing import Any

from director import Balanced, Director, Instance
from houses import payment, reversal
from neighbours import Wall, border, env

from cardnet.cde.v1.issuer_pb2 import AuthoriseResponse, ReverseResponse
from cardnet.cde.v1.issuer_pb2_grpc import IssuerServicer, IssuerStub, add_IssuerServicer_to_server
from cardnet.cde.v1.token_vault_pb2 import (
    ON_BEHALF_OF_VALIDATION_PASSED,
    REFUSAL_TOKEN_SUSPENDED,
    REFUSAL_TRANSACTION_REVERSED,
    DetokeniseResponse,
    RecallTransactionResponse,
)
from cardnet.cde.v1.token_vault_pb2_grpc import TokenVaultServicer, TokenVaultStub, add_TokenVaultServicer_to_server
from cardnet.client import Channel
from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import Fault
from cardnet.journal import ABANDONED_AFTER_S, Journal
from cardnet.reversals import Reversals
from cardnet.v1.acquirer_pb2 import SubmitPaymentResponse
from cardnet.v1.acquirer_pb2_grpc import AcquirerStub, add_AcquirerServicer_to_server
from cardnet.v1.network_pb2_grpc import NetworkStub, add_NetworkServicer_to_server
from cardnet.wire import InProcessLink, Link
from services.acquirer.servicer import AcquirerServicer
from services.network.servicer import NetworkServicer
from services.network.store import ReversalBook

PAN, PAR = "9999000000000012", "S" * 29
LONG_S = 25.0
"""No clock ends anything here; it is all let happen."""


class Bank(TokenVaultServicer, IssuerServicer):
    """A token service provider and an issuer, each step of which is one."""

    def __init__(self) -> None:
        self.suspended = False
        self.states: dict[bytes, str] = {}
        self.admitted: set[bytes] = set()
        self.recalled: set[bytes] = set()

    @property
    def holds(self) -> int:
        return list(self.states.values()).count("held")

    async def Detokenise(self, request: Any, _call: Any) -> DetokeniseResponse:
        name = request.transaction.SerializeToString()
        if self.suspended:
            return DetokeniseResponse(refusal=REFUSAL_TOKEN_SUSPENDED, response_code="62")
        if name in self.recalled:
            return DetokeniseResponse(refusal=REFUSAL_TRANSACTION_REVERSED, response_code="68")
        self.admitted.add(name)
        return DetokeniseResponse(
            pan=PAN,
            pan_expiry="3011",
            response_code="00",
            on_behalf_of_validation=ON_BEHALF_OF_VALIDATION_PASSED,
            token_assurance_level="10",
            pan_product_id="SIMC1",
            token_requestor_id="00000000001",
            par=PAR,
        )

    async def RecallTransaction(self, request: Any, _call: Any) -> RecallTransactionResponse:
        name = request.transaction.SerializeToString()
        self.recalled.add(name)
        return RecallTransactionResponse(response_code="00", pan=PAN if name in self.admitted else "")

    async def Authorise(self, request: Any, _call: Any) -> AuthoriseResponse:
        state = self.states.setdefault(request.transaction.SerializeToString(), "held")
        held = state == "held"
        return AuthoriseResponse(
            pan=request.pan, response_code="00" if held else "68", auth_code="A1B2C3" if held else ""
        )

    async def Reverse(self, request: Any, _call: Any) -> ReverseResponse:
        self.states[request.transaction.SerializeToString()] = "reversed"
        return ReverseResponse(response_code="00")


class Theatre:
    """The whole house, for one payment."""

    def __init__(self, server: EmbeddedStore, choices: list[int]) -> None:
        self.director = director = Director(choices)
        self.clock: Wall = env().clock  # type: ignore[assignment]
        self.bank = Bank()
        tsp, issuer = border("tsp"), border("issuer")
        add_TokenVaultServicer_to_server(self.bank, tsp)
        add_IssuerServicer_to_server(self.bank, issuer)

        self.networks = [Instance(director, server, "network", self.clock) for _ in range(2)]
        self.acquirers = [Instance(director, server, "acquirer", self.clock) for _ in range(2)]
        for network in self.networks:
            network.others = [other for other in self.networks if other is not network]
            book = ReversalBook(network.store)
            links = [
                Balanced(director, network, [(None, InProcessLink(name, at, "network"))] * 2)
                for name, at in (("tsp", tsp), ("issuer", issuer))
            ]
            stubs = [Channel(link, env(), timeout_s=LONG_S) for link in links]
            servicer = NetworkServicer(TokenVaultStub(stubs[0]), IssuerStub(stubs[1]), book)
            network.reversals = Reversals(book.journal, self.clock, servicer.reverse_later)
            add_NetworkServicer_to_server(servicer, network.border)
        for acquirer in self.acquirers:
            acquirer.others = [other for other in self.acquirers if other is not acquirer]
            link = Balanced(director, acquirer, self._links("network", self.networks, "acquirer"))
            stub = NetworkStub(Channel(link, env(), timeout_s=LONG_S))
            journal = Journal(acquirer.store, "acquirer")
            taking = AcquirerServicer("99990000001", stub, journal, self.clock)
            acquirer.reversals = taking.reversals
            add_AcquirerServicer_to_server(taking, acquirer.border)
        link = Balanced(director, None, self._links("acquirer", self.acquirers, "merchant"))
        self.acquirer = AcquirerStub(Channel(link, env(), timeout_s=LONG_S))

    async def pay(self) -> SubmitPaymentResponse | Fault:
        """What the merchant hears, whatever befalls."""
        return await self._heard(self.acquirer.SubmitPayment(payment()))

    async def take_back(self) -> None:
        """The merchant did not learn what came of it."""
        await self._heard(self.acquirer.ReversePayment(reversal()))

    async def settle(self) -> None:
        """Let all go well and time pass, until nothing is due any more."""
        await self.director.play_out()
        for seconds in (ABANDONED_AFTER_S, 3.0, 3.0, 3.0):
            self.clock.seconds += seconds
            for instance in (*self.acquirers, *self.networks):
                if not instance.dead:
                    await self.director.play(asyncio.create_task(instance.reversals.send_due()))
        await self.director.play_out()

    async def close(self) -> None:
        for instance in (*self.acquirers, *self.networks):
            await instance.store.close()

    async def _heard(self, asking: Any) -> Any:
        async def asked() -> Any:
            try:
                return await asking
            except Fault as fault:
                return fault

        task = asyncio.create_task(asked())
        await self.director.play(task)
        return task.result()

    def _links(self, name: str, instances: list[Instance], caller: str) -> list[tuple[Instance | None, Link]]:
        return [(instance, InProcessLink(name, instance.border, caller)) for instance in instances]
