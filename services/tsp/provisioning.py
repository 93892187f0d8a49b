"""The token service provider's calls for Token Requestors: tokens for cards, and cryptograms for tokens."""

import secrets
from collections.abc import Sequence

from cardnet.call import Call
from cardnet.card import Expiry, PaymentToken
from cardnet.cde.v1.issuer_pb2 import VerifyAccountRequest
from cardnet.cde.v1.issuer_pb2_grpc import IssuerStub
from cardnet.cryptogram import Purchase
from cardnet.encrypted_card import decrypt
from cardnet.env import Env
from cardnet.errors import NotPermitted
from cardnet.response_code import ResponseCode
from cardnet.v1.token_service_pb2 import (
    GetEncryptionKeyRequest,
    GetEncryptionKeyResponse,
    RequestCryptogramRequest,
    RequestCryptogramResponse,
    RequestTokenRequest,
    RequestTokenResponse,
)
from cardnet.v1.token_service_pb2_grpc import TokenServiceServicer as TokenServiceServicerBase
from services.tsp.checks import Finding, Use, verify
from services.tsp.domain import RESPONSE_CODES, Requestor, TokenState, new_record
from services.tsp.keys import KeySet
from services.tsp.sealing import Entry
from services.tsp.vault import RedisVault

ECI = "07"
"""The electronic commerce indicator of a credential-on-file payment without 3-D Secure."""


class TokenServiceServicer(TokenServiceServicerBase):
    """Issues tokens and cryptograms to those to whom they belong."""

    def __init__(
        self, vault: RedisVault, keys: KeySet, issuer: IssuerStub, env: Env, requestors: Sequence[Requestor]
    ) -> None:
        self._vault = vault
        self._keys = keys
        self._issuer = issuer
        self._env = env
        self._requestors = {requestor.token_requestor_id: requestor for requestor in requestors}

    async def GetEncryptionKey(self, request: GetEncryptionKeyRequest, call: Call) -> GetEncryptionKeyResponse:
        """Hand out the public key that cards are encrypted to."""
        key = await self._keys.card_key()
        return GetEncryptionKeyResponse(key_id=key.id, public_key=key.public)

    async def RequestToken(self, request: RequestTokenRequest, call: Call) -> RequestTokenResponse:
        """Put a card on file: the requestor gets a token, and never saw the card."""
        # Who asks, and for which card.
        requestor = self._requestor_of(request.token_requestor_id, call)
        pan, pan_expiry = decrypt(request.encrypted_card, (await self._keys.card_key()).private)

        # The issuer verifies the account (EMVCo's ID&V): without its yes there is no token.
        account = await self._issuer.VerifyAccount(VerifyAccountRequest(pan=pan.reveal(), pan_expiry=str(pan_expiry)))
        if account.response_code != ResponseCode.APPROVED:
            return RequestTokenResponse(response_code=account.response_code)

        # Issue, in the state that the issuer wants; the same card and requestor have one token.
        record = new_record(
            pan,
            requestor,
            TokenState(account.token_state) or TokenState.ACTIVE,
            par=await self._vault.par_of(pan),
            token_reference_id=self._env.rng.hex(16),
            today=self._env.clock.now().date(),
        )
        return _issued(await self._vault.issue(pan, pan_expiry, record))

    async def RequestCryptogram(self, request: RequestCryptogramRequest, call: Call) -> RequestCryptogramResponse:
        """Make a cryptogram for one purchase, if the payment that it is for would pass."""
        # Who asks, and for which token.
        requestor = self._requestor_of(request.token_requestor_id, call)
        token = PaymentToken(request.payment_token)
        entry = await self._vault.find(token)

        # The checks of step 4, as far as they can be made before the payment.
        now = self._env.clock.now()
        verdict = verify(entry.record if entry else None, _use_of(request), now.date())
        if entry is None or verdict.refusal:
            return RequestCryptogramResponse(response_code=RESPONSE_CODES[verdict.refusal])

        # The counter is written down before the cryptogram exists, so that no crash can give it out twice.
        atc = await self._vault.issue_atc(entry, int(now.timestamp() * 1000))
        if atc is None:
            return RequestCryptogramResponse(response_code=ResponseCode.CRYPTOGRAM_FAILURE)
        purchase = Purchase(
            amount_minor=request.amount_minor,
            currency=request.currency,
            country=request.merchant.merchant_country,
            token_requestor_id=requestor.token_requestor_id,
            merchant_domain=request.merchant.merchant_domain,
            merchant_id=request.merchant.merchant_id,
        )
        made = self._keys.cryptogram.make(token, atc, secrets.token_bytes(4), purchase, now.date())
        return RequestCryptogramResponse(response_code=ResponseCode.APPROVED, cryptogram=made, eci=ECI)

    def _requestor_of(self, token_requestor_id: str, call: Call) -> Requestor:
        """The requestor, if it is registered to the caller; NotPermitted in one form whether it exists or not."""
        requestor = self._requestors.get(token_requestor_id)
        if requestor is None or requestor.identity != call.caller:
            raise NotPermitted("REQUESTOR_NOT_REGISTERED", "the Token Requestor ID is not registered to the caller")
        return requestor


def _use_of(request: RequestCryptogramRequest) -> Use:
    return Use(
        token_requestor_id=request.token_requestor_id,
        merchant_id=request.merchant.merchant_id,
        merchant_domain=request.merchant.merchant_domain,
        entry_mode=None,
        token_expiry=Expiry.parse(request.token_expiry),
        cryptogram=Finding.ABSENT,
    )


def _issued(entry: Entry) -> RequestTokenResponse:
    record = entry.record
    return RequestTokenResponse(
        response_code=ResponseCode.APPROVED,
        payment_token=entry.token.reveal(),
        token_expiry=str(record.token_expiry),
        token_reference_id=record.token_reference_id,
        token_assurance_level=record.assurance_level,
        par=record.par,
        pan_last_four=record.pan_last_four,
        pos_entry_modes=[f"POS_ENTRY_MODE_{mode.name}" for mode in sorted(record.domain.entry_modes)],
    )
