"""A wallet for tests: its real face and store, and a token service provider of few words behind the in-process wire."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any

import httpx
from joserfc.jwk import RSAKey
from patience import STORE_TIMEOUT_S

from cardnet.border import Border
from cardnet.card import luhn_digit
from cardnet.embedded_store import EmbeddedStore
from cardnet.encrypted_card import decrypt, encrypt
from cardnet.env import Env, FrozenClock, Rng
from cardnet.errors import Unavailable
from cardnet.identity import Door
from cardnet.recorder import Recorder
from cardnet.test_cards import TEST_CARDS
from cardnet.v1 import token_service_pb2 as pb
from cardnet.v1 import token_service_pb2_grpc
from cardnet.v1.token_pb2 import TOKEN_STATE_ACTIVE, TOKEN_STATE_INACTIVE
from cardnet.wire import InProcessLink
from services.wallet.app import Config, build

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ORIGIN, SHOP = "http://localhost:8102", "http://localhost:8101"
PASSCODE = "271828"
CRYPTOGRAM = "AAECAwQFBgcICQoLDA0ODxAREhM="
PAR = "CNT0" + "A1B2C3D4E5F6G7H8I9J0K1L2M"[:25]
_CARDS = {card.pan: card for card in TEST_CARDS}
_TOKENS = {"99990000": "99994000", "99991000": "99994100"}


class TinyTsp(token_service_pb2_grpc.TokenServiceServicer):
    """Issues a token for every test card but those whose issuer says no. What it was asked stands in `asked`."""

    def __init__(self) -> None:
        self._key = _key()
        self.asked: list[Any] = []
        self.refusal = ""
        """The response code to answer ProvideTokenizedCard with; empty for a token."""
        self.wrong_passcode = "55"
        """The response code to answer any other passcode with."""
        self.cryptogram = CRYPTOGRAM
        self.silent = False
        self._cards: dict[str, str] = {}

    async def GetEncryptionKey(self, request: Any, call: Any) -> pb.GetEncryptionKeyResponse:  # noqa: ARG002
        if self.silent:
            raise Unavailable("SILENT", "no answer")
        return pb.GetEncryptionKeyResponse(key_id="k1", public_key=self._key.as_pem(private=False).decode())

    async def RequestToken(self, request: Any, call: Any) -> pb.RequestTokenResponse:  # noqa: ARG002
        self.asked.append(request)
        pan, expiry = decrypt(request.encrypted_card, {"k1": self._key})
        card = _CARDS.get(pan.reveal())
        if card is None or str(expiry) != card.expiry:
            return pb.RequestTokenResponse(response_code="14")
        if not card.saving_outcome.approved:
            return pb.RequestTokenResponse(
                response_code=card.saving_outcome, decision=pb.TokenDecision.TOKEN_DECISION_DECLINED
            )
        waits = card.verification in ("PASSCODE", "PASSCODE_WRONG")
        reference = f"ref-{card.name}"
        self._cards[reference] = card.pan
        return pb.RequestTokenResponse(
            response_code="00",
            payment_token=_token(card.pan, 0),
            token_expiry="2912",
            token_reference_id=reference,
            pan_last_four=card.last_four,
            par=PAR,
            decision=pb.TokenDecision.TOKEN_DECISION_STEP_UP if waits else pb.TokenDecision.TOKEN_DECISION_APPROVED,
            state=TOKEN_STATE_INACTIVE if waits else TOKEN_STATE_ACTIVE,
        )

    async def ConfirmCardholder(self, request: Any, call: Any) -> pb.ConfirmCardholderResponse:  # noqa: ARG002
        right = request.passcode == PASSCODE
        return pb.ConfirmCardholderResponse(response_code="00" if right else self.wrong_passcode)

    async def ProvideTokenizedCard(self, request: Any, call: Any) -> pb.ProvideTokenizedCardResponse:  # noqa: ARG002
        self.asked.append(request)
        if self.silent:
            raise Unavailable("SILENT", "no answer")
        if self.refusal:
            return pb.ProvideTokenizedCardResponse(response_code=self.refusal)
        pan = self._cards[request.token_reference_id]
        return pb.ProvideTokenizedCardResponse(
            response_code="00",
            payment_token=_token(pan, len(self.asked)),
            token_expiry="2812",
            cryptogram=self.cryptogram,
            cryptogram_type="SIM-TAVV",
            token_requestor_id="00000000004",
            eci="05" if request.user_authenticated else "07",
            token_reference_id=f"shop-{len(self.asked)}",
            par=PAR,
            pan_last_four=pan[-4:],
            pan_expiry="3011",
            card_network="cardnet",
        )


@cache
def _key() -> RSAKey:
    return RSAKey.generate_key(2048, private=True)  # one for all tests: making it takes its time


def _token(pan: str, number: int) -> str:
    digits = f"{_TOKENS[pan[:8]]}{number:02}{pan[10:15]}"
    return digits + luhn_digit(digits)


class House:
    """A wallet that runs, its token service provider, and a browser of few words at its face."""

    def __init__(self, store: EmbeddedStore, origin: str = ORIGIN, shop: str = SHOP) -> None:
        self.tsp, self.origin, self.shop = TinyTsp(), origin, shop
        self.clock = FrozenClock(START)
        env = Env(self.clock, Rng("wallet"), Rng("trace"))
        border = Border(env, Door.BUSINESS, Recorder("tsp", []))
        token_service_pb2_grpc.add_TokenServiceServicer_to_server(self.tsp, border)
        config = Config(
            redis_url=store.url("wallet"),
            store_timeout_s=STORE_TIMEOUT_S,
            tsp="",
            tsp_timeout_s=STORE_TIMEOUT_S,
            web_origin=origin,
            key_origins=f"{shop},https://psp.example",
        )
        self.service = build(config, env, [], connect=lambda name, _: InProcessLink(name, border, "wallet"))
        self.browser = self.another_browser()

    def another_browser(self) -> httpx.AsyncClient:
        """One with cookies of its own, whose posts come from the wallet's pages."""
        assert self.service.face
        transport = httpx.ASGITransport(self.service.face)
        return httpx.AsyncClient(transport=transport, base_url=self.origin, headers={"origin": self.origin})

    async def home(self) -> str:
        """The wallet's page, as text."""
        return (await self.browser.get("/")).text

    async def encrypted(self, pan: str, expiry: str = "3011") -> str:
        """A card as the page encrypts it."""
        key = (await self.browser.get("/v1/encryption-key")).json()
        return encrypt(pan, expiry, key["kid"], key["pem"])

    async def add(self, pan: str, nickname: str = "Mine", expiry: str = "3011") -> httpx.Response:
        body = {"encryptedCard": await self.encrypted(pan, expiry), "nickname": nickname}
        return await self.browser.post("/v1/cards", json=body)

    def request(self, total: tuple[str, str] = ("12.50", "USD"), **data: Any) -> dict[str, Any]:
        """What the worker hands on of a payment request that nothing is wrong with; `data` are its changes."""
        said = {"keyProviderURL": f"{self.shop}/payment-key", **data}
        return {
            "methodData": [
                {"supportedMethods": "https://other.example/pay", "data": {}},
                {"supportedMethods": f"{self.origin}/pay", "data": said},
            ],
            "total": {"value": total[0], "currency": total[1]},
            "topOrigin": f"{self.shop}/",
            "paymentRequestId": "order-7",
        }

    async def offer(self, **data: Any) -> httpx.Response:
        return await self.browser.post("/v1/offers", json=self.request(**data))

    async def fitting(self, **data: Any) -> list[str]:
        """The types of the cards that fit, in order."""
        return [card["type"] for card in (await self.offer(**data)).json()["cards"]]

    async def pay(self, request: dict[str, Any] | None = None, **more: Any) -> httpx.Response:
        """Pay with the first card that fits."""
        asked = request or self.request()
        cards = (await self.browser.post("/v1/offers", json=asked)).json()["cards"]
        body = {"card": cards[0]["id"], "request": asked, **more}
        return await self.browser.post("/v1/tokenized-cards", json=body)


def ids(page: str) -> list[str]:
    """The cards on the wallet's page, by their ids."""
    return re.findall(r'<li class="card [a-z]+" data-card="([0-9a-f]+)"', page)


@asynccontextmanager
async def started(store: EmbeddedStore, **where: str) -> AsyncIterator[House]:
    """A wallet that runs. where: its origin and the shop's."""
    house = House(store, **where)
    await house.service.start()
    try:
        yield house
    finally:
        await house.browser.aclose()
        await house.service.stop()
