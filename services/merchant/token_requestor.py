"""The shop as a Token Requestor: what it asks of the token service provider, under which of its identifiers."""

from cardnet.card import Expiry, PaymentToken
from cardnet.errors import InvalidField, Unavailable
from cardnet.response_code import ResponseCode
from cardnet.v1.merchant_pb2 import BrowserCard, CheckoutRequest
from cardnet.v1.payment_pb2 import Initiator, MerchantData, TokenData
from cardnet.v1.token_lifecycle_pb2 import ChangeTokenResponse, GetTokenRequest, TokenName
from cardnet.v1.token_lifecycle_pb2_grpc import TokenLifecycleStub
from cardnet.v1.token_pb2 import Token
from cardnet.v1.token_service_pb2 import (
    BrowserToken,
    ConfirmCardholderRequest,
    ConfirmCardholderResponse,
    RequestCryptogramRequest,
    RequestCryptogramResponse,
    RequestTokenRequest,
    RequestTokenResponse,
)
from cardnet.v1.token_service_pb2_grpc import TokenServiceStub
from services.merchant.domain import CardOnFile, RequestorIds, Usage


class TokenRequestor:
    """One shop at its token service provider. Every coroutine raises what the calls raise: see docs/errors.md."""

    def __init__(
        self, shop: MerchantData, ids: RequestorIds, tokens: TokenServiceStub, lifecycle: TokenLifecycleStub
    ) -> None:
        self.ids = ids
        self._shop = shop
        self._tokens = tokens
        self._lifecycle = lifecycle

    async def token_of_encrypted(self, encrypted_card: str) -> RequestTokenResponse:
        """A token to be kept for a card that the shop hands on and cannot read."""
        issued: RequestTokenResponse = await self._tokens.RequestToken(
            RequestTokenRequest(token_requestor_id=self.ids.card_on_file, encrypted_card=encrypted_card)
        )
        return issued

    async def token_of_typed(self, card: BrowserCard, usage: Usage, order: str) -> RequestTokenResponse:
        """A token for a card that was typed into the shop's page. order: the same gets the same answer again."""
        typed = BrowserToken(value=card.token, service_id=card.service_id, origin=card.origin, used_for=order)
        issued: RequestTokenResponse = await self._tokens.RequestToken(
            RequestTokenRequest(token_requestor_id=self.ids.of(usage), browser_token=typed)
        )
        return issued

    async def confirm(self, card: CardOnFile, passcode: str) -> ConfirmCardholderResponse:
        """Hand in what the cardholder's bank sent them."""
        tried: ConfirmCardholderResponse = await self._tokens.ConfirmCardholder(
            ConfirmCardholderRequest(
                token_requestor_id=card.token_requestor_id,
                token_reference_id=card.token_reference_id,
                passcode=passcode,
            )
        )
        return tried

    async def described(self, token: PaymentToken) -> Token | None:
        """What is known of a token of the shop's; None if it is none, or not one that can be used."""
        found: ChangeTokenResponse = await self._lifecycle.GetToken(
            GetTokenRequest(token=TokenName(payment_token=token.reveal()))
        )
        return found.token if found.response_code == ResponseCode.APPROVED else None

    async def token_data(self, request: CheckoutRequest, card: CardOnFile) -> TokenData:
        """What goes into an order in place of the card, with a cryptogram for this very order.

        Where no cryptogram is made the payment goes without: it is optional for cards on file (EMVCo framework 2.3,
        table 10.5), and why there is none (a suspended token, say) is for step 4 to answer.
        """
        made = await self._cryptogram(request, card)
        return TokenData(
            payment_token=card.token.reveal(),
            token_expiry=str(card.token_expiry),
            token_requestor_id=card.token_requestor_id,
            cryptogram=made.cryptogram,
            initiator=_initiator(request),
            original_rrn=request.original_rrn,
        )

    async def _cryptogram(self, request: CheckoutRequest, card: CardOnFile) -> RequestCryptogramResponse:
        made: RequestCryptogramResponse = await self._tokens.RequestCryptogram(
            RequestCryptogramRequest(
                token_requestor_id=card.token_requestor_id,
                payment_token=card.token.reveal(),
                token_expiry=str(card.token_expiry),
                merchant=self._shop,
                amount_minor=request.amount_minor,
                currency=request.currency,
                initiator=_initiator(request),
                original_rrn=request.original_rrn,
            )
        )
        return made


def card_on_file(issued: RequestTokenResponse, token_requestor_id: str) -> CardOnFile:
    """The card that an answer is about. Unavailable if the answer says that there is one, and does not tell it."""
    try:
        return CardOnFile(
            token=PaymentToken(issued.payment_token),
            token_expiry=Expiry.parse(issued.token_expiry),
            token_requestor_id=token_requestor_id,
            token_reference_id=issued.token_reference_id,
            par=issued.par,
            pan_last_four=issued.pan_last_four,
            entry_modes=frozenset(issued.pos_entry_modes),
        )
    except InvalidField:
        # The border lets a refusal leave these fields out; an answer that says 00 may not.
        raise Unavailable("ANSWER_INCOMPLETE", "the tsp said that it issued a token and did not send it") from None


def _initiator(request: CheckoutRequest) -> Initiator:
    """Who begins: the shop, where it goes back to a payment of the customer's; else, unsaid, the customer."""
    return Initiator.INITIATOR_MERCHANT if request.original_rrn else Initiator.INITIATOR_UNSPECIFIED
