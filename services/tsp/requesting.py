"""The token service provider's side to Token Requestors: tokens for cards, and cryptograms for tokens."""

from cardnet.call import Call
from cardnet.card import Expiry, PaymentToken
from cardnet.cryptogram import Binding, Purchase
from cardnet.env import Clock
from cardnet.errors import InvalidField
from cardnet.response_code import ResponseCode
from cardnet.v1.payment_pb2 import INITIATOR_MERCHANT
from cardnet.v1.token_service_pb2 import (
    ConfirmCardholderRequest,
    ConfirmCardholderResponse,
    GetEncryptionKeyRequest,
    GetEncryptionKeyResponse,
    ProvideTokenizedCardRequest,
    ProvideTokenizedCardResponse,
    RequestCryptogramRequest,
    RequestCryptogramResponse,
    RequestTokenRequest,
    RequestTokenResponse,
)
from cardnet.v1.token_service_pb2_grpc import TokenServiceServicer as TokenServiceServicerBase
from services.tsp.checks import Finding, Use, verify
from services.tsp.cryptograms import Cryptograms
from services.tsp.domain import RESPONSE_CODES, Initiator
from services.tsp.keys import KeySet
from services.tsp.policy import Policy
from services.tsp.probes import Probes
from services.tsp.provisioning import Provisioning
from services.tsp.requestors import Requestors
from services.tsp.sealing import Entry
from services.tsp.tokenized_card import TokenizedCards
from services.tsp.vault import RedisVault

ECI = "07"
"""The electronic commerce indicator of a credential-on-file payment without 3-D Secure."""

_BINDINGS = {0: Binding.EXACT, 1: Binding.EXACT, 2: Binding.MAXIMUM, 3: Binding.NONE}
"""By the numbers of AmountBinding."""


class TokenServiceServicer(TokenServiceServicerBase):
    """Issues tokens and cryptograms to those to whom they belong."""

    def __init__(
        self,
        provisioning: Provisioning,
        tokenized_cards: TokenizedCards,
        vault: RedisVault,
        cryptograms: Cryptograms,
        keys: KeySet,
        requestors: Requestors,
        probes: Probes,
        clock: Clock,
        policy: Policy,
    ) -> None:
        self._provisioning = provisioning
        self._tokenized_cards = tokenized_cards
        self._vault = vault
        self._cryptograms = cryptograms
        self._keys = keys
        self._requestors = requestors
        self._probes = probes
        self._clock = clock
        self._policy = policy

    async def GetEncryptionKey(self, request: GetEncryptionKeyRequest, call: Call) -> GetEncryptionKeyResponse:
        """Hand out the public key that cards are encrypted to."""
        key = await self._keys.card_key()
        return GetEncryptionKeyResponse(key_id=key.id, public_key=key.public)

    async def RequestToken(self, request: RequestTokenRequest, call: Call) -> RequestTokenResponse:
        """Put a card on file: the requestor gets a token, and never saw the card."""
        return await self._provisioning.request(request, call)

    async def ConfirmCardholder(self, request: ConfirmCardholderRequest, call: Call) -> ConfirmCardholderResponse:
        """Have the passcode of a step-up checked, and activate the token if it is right."""
        return await self._provisioning.confirm(request, call)

    async def ProvideTokenizedCard(
        self, request: ProvideTokenizedCardRequest, call: Call
    ) -> ProvideTokenizedCardResponse:
        """Let a wallet pay with one of its cards at a payee: a token of the payee's requestor's, and a cryptogram."""
        return await self._tokenized_cards.provide(request, call)

    async def RequestCryptogram(self, request: RequestCryptogramRequest, call: Call) -> RequestCryptogramResponse:
        """Make a cryptogram for one purchase, if the payment that it is for would pass."""
        # Who asks, and for which token.
        await self._requestors.registered(request.token_requestor_id, call.caller)
        self._probes.allow(call.caller)
        entry = await self._named_by(request)

        # The checks of step 4, as far as they can be made before the payment.
        now = self._clock.now()
        use = _use_of(request)
        verdict = verify(entry.record if entry else None, use, now.date())
        if entry is None or entry.record.token_requestor_id != request.token_requestor_id:
            self._probes.note(call.caller)  # unknown and somebody else's: one answer
            return RequestCryptogramResponse(response_code=ResponseCode.INVALID_CARD)
        if verdict.refusal:
            return RequestCryptogramResponse(response_code=RESPONSE_CODES[verdict.refusal])

        made = await self._cryptograms.make(entry, _purchase_of(request, entry), now, self._binding_of(request))
        if made is None:
            return RequestCryptogramResponse(response_code=ResponseCode.CRYPTOGRAM_FAILURE)
        return RequestCryptogramResponse(
            response_code=ResponseCode.APPROVED,
            cryptogram=made.value,
            eci=ECI,
            payment_token=entry.token.reveal() if request.token_reference_id else "",
            token_expiry=str(entry.record.token_expiry),
            atc=made.atc,
            key_index=made.key_index,
            expires_at=made.expires_at,
        )

    async def _named_by(self, request: RequestCryptogramRequest) -> Entry | None:
        if bool(request.payment_token) == bool(request.token_reference_id):
            raise InvalidField("payment_token", "give either payment_token or token_reference_id")
        if request.token_reference_id:
            return await self._vault.named(request.token_reference_id)
        if not request.token_expiry:
            raise InvalidField("token_expiry", "must be there with payment_token")
        return await self._vault.find(PaymentToken(request.payment_token))

    def _binding_of(self, request: RequestCryptogramRequest) -> Binding:
        binding = _BINDINGS[request.amount_binding]
        if binding is Binding.MAXIMUM and self._policy.left_to_issuer:
            raise InvalidField("amount_binding", "must not be a maximum where the issuer validates: it has no limit")
        return binding


def _purchase_of(request: RequestCryptogramRequest, entry: Entry) -> Purchase:
    return Purchase(
        amount_minor=request.amount_minor,
        currency=request.currency,
        country=request.merchant.merchant_country,
        token_requestor_id=entry.record.token_requestor_id,
        merchant_domain=request.merchant.merchant_domain,
        merchant_id=request.merchant.merchant_id,
        merchant_initiated=request.initiator == INITIATOR_MERCHANT,
    )


def _use_of(request: RequestCryptogramRequest) -> Use:
    return Use(
        token_requestor_id=request.token_requestor_id,
        merchant_id=request.merchant.merchant_id,
        merchant_domain=request.merchant.merchant_domain,
        entry_mode=None,
        token_expiry=Expiry.parse(request.token_expiry) if request.payment_token else None,
        cryptogram=Finding.ABSENT,
        initiator=Initiator(request.initiator or Initiator.CARDHOLDER),
        original_rrn=request.original_rrn,
    )
