"""What an order is paid with: a card on file, one typed into a page, one from a wallet, or token data."""

from dataclasses import replace
from typing import NamedTuple

from cardnet.errors import InvalidField, NotFound
from cardnet.response_code import ResponseCode
from cardnet.tokenized_card import TokenizedCard
from cardnet.v1.merchant_pb2 import CheckoutRequest
from cardnet.v1.payment_pb2 import TokenData
from cardnet.v1.token_service_pb2 import TokenDecision
from services.merchant.domain import (
    ECOMMERCE,
    SOURCES,
    CardOnFile,
    Usage,
    Violation,
    agreement_fault,
    entry_mode,
    original_fault,
    saving_fault,
    source_fault,
)
from services.merchant.store import RedisCardsOnFile
from services.merchant.token_requestor import TokenRequestor, card_on_file
from services.merchant.wallet_card import WalletCards, usage_of


class Means(NamedTuple):
    """Token data that can be sent to the acquirer."""

    token_data: TokenData
    pos_entry_mode: int
    to_keep: CardOnFile | None = None
    """The card that is to be on file once the payment is approved, if one is."""


class NoMeans(NamedTuple):
    """The token service provider gave nothing to pay with: an answer, like a refusal of the network's."""

    response_code: str


class MeansOfPayment:
    """Finds what an order is paid with. What it asks of others has no effect that asking again would double."""

    def __init__(self, requestor: TokenRequestor, wallets: WalletCards, cards: RedisCardsOnFile) -> None:
        self._requestor = requestor
        self._wallets = wallets
        self._cards = cards

    async def of(self, request: CheckoutRequest) -> Means | NoMeans:
        """What this order is paid with. A Fault where that cannot be said: then nothing was sent."""
        if request.HasField("browser_card"):
            return await self._typed(request)
        if request.HasField("tokenized_card"):
            return await self._from_wallet(request)
        if request.card_on_file_id:
            return await self._on_file(request)
        return Means(request.token_data, ECOMMERCE)

    async def card_named(self, id_: str) -> CardOnFile:
        """The card on file of this name; NotFound if there is none."""
        card = await self._cards.find(id_)
        if card is None:
            raise not_on_file()
        return card

    async def _on_file(self, request: CheckoutRequest) -> Means:
        card = await self.card_named(request.card_on_file_id)
        _refuse(agreement_fault(card, request.original_rrn))
        mode = entry_mode(card, begun_by_shop=bool(request.original_rrn))
        return Means(await self._requestor.token_data(request, card), mode)

    async def _typed(self, request: CheckoutRequest) -> Means | NoMeans:
        usage = Usage.CARD_ON_FILE if request.save_for_customer_id else Usage.ONE_TIME
        issued = await self._requestor.token_of_typed(request.browser_card, usage, request.idempotency_key)
        if issued.response_code != ResponseCode.APPROVED:
            return NoMeans(issued.response_code)
        if issued.decision == TokenDecision.TOKEN_DECISION_STEP_UP:
            return NoMeans(ResponseCode.TOKEN_NOT_IN_USE)  # it pays when a passcode was given, which nobody has here
        card = card_on_file(issued, self._requestor.ids.of(usage))
        to_keep = card if request.save_for_customer_id else None
        return Means(await self._requestor.token_data(request, card), ECOMMERCE, to_keep)

    async def _from_wallet(self, request: CheckoutRequest) -> Means:
        details = await self._wallets.opened(request)
        token_data = TokenData(
            payment_token=details.token.reveal(),
            token_expiry=str(details.token_expiry),
            token_requestor_id=self._requestor.ids.from_wallet(usage_of(request)),
            cryptogram=details.cryptogram,
        )
        to_keep = await self._described(details, usage_of(request)) if request.save_for_customer_id else None
        return Means(token_data, ECOMMERCE, to_keep)

    async def _described(self, details: TokenizedCard, usage: Usage) -> CardOnFile | None:
        """The card, as the token service provider knows it: what a wallet says besides is not believed.

        None where it is not the shop's token: then step 4 refuses the payment, and nothing is to be kept.
        """
        known = await self._requestor.described(details.token)
        if known is None or known.token_requestor_id != self._requestor.ids.from_wallet(usage):
            return None
        return CardOnFile(
            token=details.token,
            token_expiry=details.token_expiry,
            token_requestor_id=known.token_requestor_id,
            token_reference_id=known.token_reference_id,
            par=known.par,
            pan_last_four=known.pan_last_four,
            entry_modes=frozenset(),
            usage=usage,
        )


def check(request: CheckoutRequest) -> None:
    """Hold an order to the rules between its fields, before anything is asked. InvalidField names the first broken."""
    given = [field for field in SOURCES if _given(request, field)]
    _refuse(source_fault(given))
    _refuse(original_fault(given[0], request.original_rrn))
    _refuse(saving_fault(given[0], request.save_for_customer_id, usage_of(request)))


def agreed(card: CardOnFile, rrn: str) -> CardOnFile:
    """The card as it is kept after an approved payment: one for recurring payments, for those that go back to this."""
    return replace(card, agreement_rrn=rrn) if card.usage is Usage.RECURRING else card


def not_on_file() -> NotFound:
    """There is no such card, or none of this customer's."""
    return NotFound("CARD_NOT_ON_FILE", "this shop has no card on file of that name; save the card first")


def _given(request: CheckoutRequest, field: str) -> bool:
    return bool(request.card_on_file_id) if field == "card_on_file_id" else request.HasField(field)


def _refuse(violation: Violation | None) -> None:
    if violation:
        raise InvalidField(*violation)
