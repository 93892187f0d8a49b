"""What the wallet asks the token service provider: tokens of its own for cards, and others to pay with."""

import asyncio
import hashlib
from collections.abc import Awaitable
from typing import NamedTuple, TypeVar

from cardnet.card import token_range
from cardnet.encrypted_card import encrypt
from cardnet.errors import NotPermitted, Unauthenticated, Unavailable
from cardnet.test_cards import test_card
from cardnet.v1.token_pb2 import TokenUsage
from cardnet.v1.token_service_pb2 import (
    ConfirmCardholderRequest,
    ConfirmCardholderResponse,
    GetEncryptionKeyRequest,
    GetEncryptionKeyResponse,
    ProvideTokenizedCardRequest,
    ProvideTokenizedCardResponse,
    RequestTokenRequest,
    RequestTokenResponse,
    TokenDecision,
)
from cardnet.v1.token_service_pb2_grpc import TokenServiceStub
from services.wallet.domain import Card, PaymentAsked, Provided, Usage

DEMO_CARDS = (
    ("approved", "Everyday credit"),
    ("approved-debit", "Current account"),
    ("insufficient-funds", "Nearly empty"),
)
"""What is in a new wallet: test cards, and what their holder calls them."""

_USAGES = {
    Usage.ONE_TIME: TokenUsage.TOKEN_USAGE_ONE_TIME,
    Usage.CARD_ON_FILE: TokenUsage.TOKEN_USAGE_CARD_ON_FILE,
    Usage.RECURRING: TokenUsage.TOKEN_USAGE_RECURRING,
}

T = TypeVar("T")


class Refused(NamedTuple):
    """No token, and the response code that says why."""

    response_code: str


class Cards:
    """Asks the token service provider. Every coroutine raises Unavailable where it does not answer."""

    def __init__(self, tsp: TokenServiceStub, token_requestor_id: str) -> None:
        self._tsp = tsp
        self._token_requestor_id = token_requestor_id

    async def encryption_key(self) -> GetEncryptionKeyResponse:
        """The key that cards are encrypted to."""
        key: GetEncryptionKeyResponse = await _answer(self._tsp.GetEncryptionKey(GetEncryptionKeyRequest()))
        return key

    async def demo(self) -> tuple[Card, ...]:
        """The cards of a new wallet; those for which there is no token are left out."""
        key = await self.encryption_key()
        made = await asyncio.gather(*(self._demo_card(name, nickname, key) for name, nickname in DEMO_CARDS))
        return tuple(card for card in made if isinstance(card, Card))

    async def _demo_card(self, name: str, nickname: str, key: GetEncryptionKeyResponse) -> Card | Refused:
        card = test_card(name)
        return await self.add(encrypt(card.pan, card.expiry, key.key_id, key.public_key), nickname)

    async def add(self, encrypted_card: str, nickname: str) -> Card | Refused:
        """A token of the wallet's for a card that only the token service provider can read. InvalidField of its."""
        answer: RequestTokenResponse = await _answer(
            self._tsp.RequestToken(
                RequestTokenRequest(token_requestor_id=self._token_requestor_id, encrypted_card=encrypted_card)
            )
        )
        range_ = token_range(answer.payment_token)
        if answer.response_code != "00" or range_ is None:
            return Refused(answer.response_code)
        return Card(
            id=hashlib.sha256(answer.token_reference_id.encode()).hexdigest()[:16],
            token_reference_id=answer.token_reference_id,
            last_four=answer.pan_last_four,
            network=range_.network,
            type=range_.type,
            nickname=nickname,
            confirmed=answer.decision != TokenDecision.TOKEN_DECISION_STEP_UP,
        )

    async def confirm(self, card: Card, passcode: str) -> ConfirmCardholderResponse:
        """Hand in the passcode for which a card waits. InvalidField where it is none."""
        answer: ConfirmCardholderResponse = await _answer(
            self._tsp.ConfirmCardholder(
                ConfirmCardholderRequest(
                    token_requestor_id=self._token_requestor_id,
                    token_reference_id=card.token_reference_id,
                    passcode=passcode,
                )
            )
        )
        return answer

    async def provide(self, card: Card, asked: PaymentAsked, *, user_authenticated: bool) -> Provided | Refused:
        """A token and a cryptogram for one payment with a card. Asked twice, there are two: each is good by itself."""
        answer: ProvideTokenizedCardResponse = await _answer(
            self._tsp.ProvideTokenizedCard(
                ProvideTokenizedCardRequest(
                    token_requestor_id=self._token_requestor_id,
                    token_reference_id=card.token_reference_id,
                    key_provider_url=asked.card.key_provider_url,
                    usage=_USAGES[asked.card.usage],
                    payee_id=asked.card.payee_id,
                    amount_minor=asked.total.minor,
                    currency=asked.total.currency.number,
                    user_authenticated=user_authenticated,
                )
            )
        )
        return _provided(answer) if answer.response_code == "00" else Refused(answer.response_code)


def _provided(answer: ProvideTokenizedCardResponse) -> Provided:
    given = (answer.payment_token, answer.token_expiry, answer.cryptogram, answer.pan_last_four, answer.pan_expiry)
    if not all(given):
        raise Unavailable("ANSWER_INCOMPLETE", "the token service provider's answer lacks what one pays with")
    return Provided(
        payment_token=answer.payment_token,
        token_expiry=answer.token_expiry,
        cryptogram=answer.cryptogram,
        cryptogram_type=answer.cryptogram_type,
        token_requestor_id=answer.token_requestor_id,
        eci=answer.eci,
        token_reference_id=answer.token_reference_id,
        par=answer.par,
        pan_last_four=answer.pan_last_four,
        pan_expiry=answer.pan_expiry,
        card_network=answer.card_network,
    )


async def _answer(asking: Awaitable[T]) -> T:
    """That the wallet is not let in is its own affair, and not that of whoever has its page open."""
    try:
        return await asking
    except (Unauthenticated, NotPermitted):
        raise Unavailable("NEIGHBOUR_REFUSES", "a service does not let another in: check their identities") from None
