"""Second, small implementations of the merchant's and acquirer's neighbours: they answer, refuse or hang for real.

They keep books of their own, so that a test can ask what was held and given back, and not only what was said.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message
from leap import leap
from patience import STORE_TIMEOUT_S

from cardnet.border import Border
from cardnet.call import Call
from cardnet.embedded_store import EmbeddedStore
from cardnet.env import Env, FrozenClock, Rng
from cardnet.errors import Fault
from cardnet.identity import Door
from cardnet.journal import LIBRARY
from cardnet.recorder import Recorder
from cardnet.store import Store
from cardnet.v1.acquirer_pb2 import ReversePaymentResponse, SubmitPaymentRequest, SubmitPaymentResponse
from cardnet.v1.acquirer_pb2_grpc import AcquirerServicer, add_AcquirerServicer_to_server
from cardnet.v1.network_pb2 import RouteAuthorisationRequest, RouteAuthorisationResponse, RouteReversalResponse
from cardnet.v1.network_pb2_grpc import NetworkServicer, add_NetworkServicer_to_server
from cardnet.v1.payment_pb2 import TransactionKey
from cardnet.v1.token_service_pb2 import (
    ConfirmCardholderResponse,
    RequestCryptogramResponse,
    RequestTokenResponse,
    TokenDecision,
)
from cardnet.v1.token_service_pb2_grpc import TokenServiceServicer, add_TokenServiceServicer_to_server

APPROVED, STEP_UP = TokenDecision.TOKEN_DECISION_APPROVED, TokenDecision.TOKEN_DECISION_STEP_UP
DECLINED = TokenDecision.TOKEN_DECISION_DECLINED
TOKEN, OTHER_TOKEN = "9999400000000014", "9999401234567893"
CRYPTOGRAM = "QUJDREVGR0hJSktMTU5PUFFSU1Q="
PAR = "S" * 29


class Wall(FrozenClock):
    """A clock whose retries' time the test moves."""

    seconds = 1_800_000_000.0

    def wall_s(self) -> float:
        return self.seconds


def env(clock: Wall | None = None) -> Env:
    start = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
    return Env(clock or Wall(start), Rng("test"), Rng("trace"))


def border(service: str) -> Border:
    return Border(env(), Door.BUSINESS, Recorder(service, []))


async def emptied(server: EmbeddedStore) -> None:
    """Throw away what another test left."""
    admin = Store(server.admin_url, LIBRARY, owner="test", timeout_s=STORE_TIMEOUT_S)
    await admin.command("FLUSHALL")
    await admin.close()


async def hang(_response: Message, call: Call) -> None:
    """Act, and never answer: the time that the caller waits is over at once."""
    leap(call.remaining_s())
    await call.outlast()


Then = Callable[[Any, Call], Awaitable[None]]
"""What a neighbour does after it acted and before it answers."""


class Network(NetworkServicer):
    """Holds amounts, gives them back, and refuses what was given back before."""

    def __init__(self) -> None:
        self.asked: list[RouteAuthorisationRequest] = []
        self.holds: dict[bytes, int] = {}
        self.given_back: list[bytes] = []
        self.reversed = asyncio.Event()
        self.then: Then | None = None
        self.before_holding: Fault | None = None
        self.reversal_answers: list[Fault | str] = []
        """The next answers to reversals, before it answers 00."""
        self.border = border("network")
        add_NetworkServicer_to_server(self, self.border)

    async def RouteAuthorisation(self, request, call):
        if self.before_holding:
            raise self.before_holding
        self.asked.append(request)
        name = request.transaction.SerializeToString()
        response = RouteAuthorisationResponse(
            transaction=request.transaction,
            payment_token=request.token_data.payment_token,
            amount_minor=request.amount_minor,
            currency=request.currency,
            response_code="68" if name in self.given_back else "00",
            auth_code="A1B2C3",
            token_assurance_level="11",
            pan_last_four="0012",
            pan_product_id="SIMC1",
            par=PAR,
        )
        if response.response_code == "00":
            self.holds[name] = request.amount_minor
        if self.then:
            await self.then(response, call)
        return response

    async def RouteReversal(self, request, call):
        name = request.transaction.SerializeToString()
        self.given_back.append(name)
        self.reversed.set()
        answer = self.reversal_answers.pop(0) if self.reversal_answers else "00"
        if isinstance(answer, Fault):
            raise answer
        if answer == "00":
            assert self.holds.get(name, request.amount_minor) == request.amount_minor
            self.holds.pop(name, None)
        return RouteReversalResponse(response_code=answer)


class Acquirer(AcquirerServicer):
    """Approves payments and takes them back, each under its merchant's reference."""

    def __init__(self) -> None:
        self.asked: list[SubmitPaymentRequest] = []
        self.approved: set[str] = set()
        self.taken_back: list[str] = []
        self.reversed = asyncio.Event()
        self.then: Then | None = None
        self.before_approving: Fault | None = None
        self.reversal_faults: list[Fault] = []
        self.response_code = "00"
        self.border = border("acquirer")
        add_AcquirerServicer_to_server(self, self.border)

    async def SubmitPayment(self, request, call):
        if self.before_approving:
            raise self.before_approving
        self.asked.append(request)
        response = SubmitPaymentResponse(
            payment_token=request.token_data.payment_token,
            response_code="68" if request.payment_reference in self.taken_back else self.response_code,
            auth_code="A1B2C3",
            transaction=TransactionKey(
                acquirer_id="99990000001", stan="000001", transmission_time="1122093000", rrn="632609000001"
            ),
            pan_last_four="0012",
        )
        if response.response_code == "00":
            self.approved.add(request.payment_reference)
        if self.then:
            await self.then(response, call)
        return response

    async def ReversePayment(self, request, call):
        assert request.merchant_id == "MERCHANT0000001"
        self.taken_back.append(request.payment_reference)
        self.reversed.set()
        if self.reversal_faults:
            raise self.reversal_faults.pop(0)
        self.approved.discard(request.payment_reference)
        return ReversePaymentResponse(response_code="00")


class Tsp(TokenServiceServicer):
    """Issues one token, which a passcode may have to activate, and as many cryptograms as it is asked for."""

    def __init__(self) -> None:
        self.asked: list[Message] = []
        self.response_code = "00"
        self.pos_entry_modes = [10, 81]
        self.passcode = ""
        """What the cardholder was sent; empty where nothing was."""
        self.fault: Fault | None = None
        self.then: Then | None = None
        self.border = border("tsp")
        add_TokenServiceServicer_to_server(self, self.border)

    async def RequestToken(self, request, call):
        await self._considered(request, call)
        if self.response_code != "00":
            return RequestTokenResponse(response_code=self.response_code, decision=DECLINED)
        return RequestTokenResponse(
            response_code="00",
            payment_token=TOKEN,
            token_expiry="2911",
            token_reference_id="reference-1",
            token_assurance_level="11",
            par=PAR,
            pan_last_four="0012",
            pos_entry_modes=self.pos_entry_modes,
            decision=STEP_UP if self.passcode else APPROVED,
        )

    async def ConfirmCardholder(self, request, call):
        await self._considered(request, call)
        if not self.passcode or request.token_reference_id != "reference-1":
            return ConfirmCardholderResponse(response_code="78")
        if request.passcode != self.passcode:
            return ConfirmCardholderResponse(response_code="55", tries_left=2)
        self.passcode = ""
        return ConfirmCardholderResponse(response_code="00")

    async def RequestCryptogram(self, request, call):
        await self._considered(request, call)
        if self.response_code != "00":
            return RequestCryptogramResponse(response_code=self.response_code)
        return RequestCryptogramResponse(response_code="00", cryptogram=CRYPTOGRAM, eci="07")

    async def _considered(self, request: Message, call: Call) -> None:
        self.asked.append(request)
        if self.fault:
            raise self.fault
        if self.then:
            await self.then(request, call)
