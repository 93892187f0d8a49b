"""The cardholder's side: puts a card on file and pays with it. What a shop's page does in a browser.

The card is encrypted here, to the token service provider's key; the shop passes on what it cannot read.
"""

from dataclasses import dataclass

from cardnet.client import Channel
from cardnet.encrypted_card import encrypt
from cardnet.errors import Fault
from cardnet.money import Money
from cardnet.response_code import ResponseCode
from cardnet.v1.merchant_pb2 import (
    CheckoutRequest,
    CheckoutResponse,
    ConfirmCardRequest,
    ConfirmCardResponse,
    SaveCardRequest,
    SaveCardResponse,
)
from cardnet.v1.merchant_pb2_grpc import MerchantStub
from cardnet.v1.token_service_pb2 import GetEncryptionKeyRequest, GetEncryptionKeyResponse, TokenDecision
from cardnet.v1.token_service_pb2_grpc import TokenServiceStub


class CardNotSaved(Fault):
    """The card was not put on file; the sentence says why."""

    def __init__(self, response_code: ResponseCode, notice: str) -> None:
        super().__init__("CARD_NOT_SAVED", f"{notice} ({response_code})")
        self.response_code = response_code


@dataclass(frozen=True, slots=True)
class CardOnFile:
    """A card that the shop has on file, as the customer sees it."""

    id: str
    pan_last_four: str
    token_last_four: str
    par: str
    token_reference_id: str
    """The token's name that reveals nothing of it, by which issuer and operator know it."""
    passcode_awaited: bool
    """Whether the issuer sent a passcode: until it is given (`Cardholder.confirm`) the card cannot be paid with."""


class Cardholder:
    """A customer of the shop."""

    def __init__(self, merchant: Channel, tsp: Channel, customer_id: str = "customer-1") -> None:
        self._merchant = MerchantStub(merchant)
        self._tsp = TokenServiceStub(tsp)
        self._customer_id = customer_id
        self._key: GetEncryptionKeyResponse | None = None

    async def save_card(self, pan: str, expiry: str) -> CardOnFile:
        """Put a card on file. pan: 13 to 19 digits. expiry: YYMM. CardNotSaved if the shop does not take it."""
        saved: SaveCardResponse = await self._merchant.SaveCard(
            SaveCardRequest(customer_id=self._customer_id, encrypted_card=await self.encrypted(pan, expiry))
        )
        if not saved.saved:
            raise CardNotSaved(ResponseCode(saved.response_code), saved.notice)
        return CardOnFile(
            id=saved.card_on_file_id,
            pan_last_four=saved.pan_last_four,
            token_last_four=saved.token_last_four,
            par=saved.par,
            token_reference_id=saved.token_reference_id,
            passcode_awaited=saved.decision == TokenDecision.TOKEN_DECISION_STEP_UP,
        )

    async def confirm(self, card: CardOnFile, passcode: str) -> ConfirmCardResponse:
        """Give the shop the passcode that the issuer sent, six digits. The answer says whether it was right."""
        answer: ConfirmCardResponse = await self._merchant.ConfirmCard(
            ConfirmCardRequest(customer_id=self._customer_id, card_on_file_id=card.id, passcode=passcode)
        )
        return answer

    async def encrypted(self, pan: str, expiry: str) -> str:
        """The card as a JWE that only the token service provider can open."""
        if self._key is None:
            self._key = await self._tsp.GetEncryptionKey(GetEncryptionKeyRequest())
        return encrypt(pan, expiry, self._key.key_id, self._key.public_key)

    async def pay(
        self, card_on_file_id: str, amount: Money, idempotency_key: str, traceparent: str | None = None
    ) -> CheckoutResponse:
        """Buy something. idempotency_key: one for each purchase, the same in each try. traceparent: your own trace."""
        request = CheckoutRequest(
            idempotency_key=idempotency_key,
            card_on_file_id=card_on_file_id,
            amount_minor=amount.minor,
            currency=amount.currency.number,
        )
        answer: CheckoutResponse = await self._merchant.Checkout(request, traceparent=traceparent)
        return answer
