"""The requests, made beforehand: fresh cards encrypted, tokens chosen, cryptograms made with the vault's own key."""

import asyncio
import secrets
from collections.abc import Sequence
from itertools import count

from bench.vault.house import House
from bench.vault.seed import PAN_EXPIRY, REQUESTOR, entry_of, pan_of
from cardnet.cde.v1.token_vault_pb2 import DetokeniseRequest
from cardnet.cryptogram import Purchase
from cardnet.encrypted_card import encrypt
from cardnet.env import Env
from cardnet.identity import MERCHANT
from cardnet.v1.payment_pb2 import POS_ENTRY_MODE_ECOMMERCE, MerchantData, TokenData, TransactionKey
from cardnet.v1.token_service_pb2 import (
    GetEncryptionKeyRequest,
    GetEncryptionKeyResponse,
    RequestCryptogramRequest,
    RequestTokenRequest,
)
from cardnet.v1.token_service_pb2_grpc import TokenServiceStub
from services.tsp.sealing import Entry
from services.tsp.uses import Uses

_SHOP = MerchantData(
    merchant_id="MERCHANT0000001",
    merchant_domain="shop.example",
    merchant_name="Example Shop",
    merchant_category_code="5732",
    merchant_country="840",
)
_AMOUNT, _CURRENCY = 1, "840"
_PURCHASE = Purchase(
    amount_minor=_AMOUNT,
    currency=_CURRENCY,
    country=_SHOP.merchant_country,
    token_requestor_id=REQUESTOR.token_requestor_id,
    merchant_domain=_SHOP.merchant_domain,
    merchant_id=_SHOP.merchant_id,
)
_FIRST_FRESH_CARD = 500_000_000
_STRIDE = 7_919
"""A prime: taken in such strides, tokens come in no order that a cache could like, and each before any comes again."""
_AT_ONCE = 256


class Supply:
    """Requests that never repeat."""

    def __init__(self, house: House, tokens: int) -> None:
        """tokens: how many were sown; all of them are used alike."""
        self._house = house
        self._clock = Env.of("bench").clock
        self._uses = Uses(house.store, house.keys)
        self._cards = count(_FIRST_FRESH_CARD)
        self._turns = count()
        self._transactions = count(1)
        self._key = GetEncryptionKeyResponse()
        self.tokens = tokens

    async def token_requests(self, wanted: int) -> Sequence[RequestTokenRequest]:
        """Token Requests for cards that the vault has never seen."""
        if not self._key.key_id:
            tsp = TokenServiceStub(self._house.channel(MERCHANT))
            self._key = await tsp.GetEncryptionKey(GetEncryptionKeyRequest())
        return [self._token_request() for _ in range(wanted)]

    async def cryptogram_requests(self, wanted: int) -> Sequence[RequestCryptogramRequest]:
        """Requests for cryptograms, for tokens in turn."""
        return [_cryptogram_request(self._token()) for _ in range(wanted)]

    async def detokenisations(self, wanted: int) -> Sequence[DetokeniseRequest]:
        """Payments, each with a cryptogram that is unused and young."""
        made: list[DetokeniseRequest] = []
        while len(made) < wanted:
            some = min(_AT_ONCE, wanted - len(made))
            made += await asyncio.gather(*(self._detokenisation(self._token()) for _ in range(some)))
        return made

    def _token(self) -> Entry:
        return entry_of(1 + next(self._turns) * _STRIDE % self.tokens)

    def _token_request(self) -> RequestTokenRequest:
        pan = pan_of(next(self._cards)).reveal()
        card = encrypt(pan, str(PAN_EXPIRY), self._key.key_id, self._key.public_key)
        return RequestTokenRequest(token_requestor_id=REQUESTOR.token_requestor_id, encrypted_card=card)

    async def _detokenisation(self, token: Entry) -> DetokeniseRequest:
        now = self._clock.now()
        atc = await self._uses.issue_atc(token, int(now.timestamp() * 1000))
        assert atc is not None  # a token has 65,535
        made = self._house.keys.cryptogram_key.make(token.token, atc, secrets.token_bytes(4), _PURCHASE, now.date())
        number = next(self._transactions)
        return DetokeniseRequest(
            transaction=TransactionKey(
                acquirer_id="99990000001",
                stan=f"{number % 1_000_000:06}",
                transmission_time=f"{now:%m%d%H%M%S}",
                rrn=f"{number:012}",
            ),
            token_data=TokenData(
                payment_token=token.token.reveal(),
                token_expiry=str(token.record.token_expiry),
                token_requestor_id=REQUESTOR.token_requestor_id,
                cryptogram=made,
            ),
            merchant=_SHOP,
            amount_minor=_AMOUNT,
            currency=_CURRENCY,
            pos_entry_mode=POS_ENTRY_MODE_ECOMMERCE,
        )


def _cryptogram_request(token: Entry) -> RequestCryptogramRequest:
    return RequestCryptogramRequest(
        token_requestor_id=REQUESTOR.token_requestor_id,
        payment_token=token.token.reveal(),
        token_expiry=str(token.record.token_expiry),
        merchant=_SHOP,
        amount_minor=_AMOUNT,
        currency=_CURRENCY,
    )
