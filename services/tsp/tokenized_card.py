"""A wallet pays at a payee with one of its cards (W3C Tokenized Card Payment): a token of the payee's requestor's.

Two purchases at once with the same card at the same payee get the same one-time token, each with a cryptogram of its
own: a requestor has one token for a card until that is used. The first that is authorised uses it; the other is refused
with 65, nothing is charged, and its next attempt gets a fresh token.
"""

from typing import NamedTuple

from cardnet.call import Call
from cardnet.cryptogram import Binding, Purchase
from cardnet.env import Clock
from cardnet.errors import InvalidField
from cardnet.origin import origin_of
from cardnet.response_code import ResponseCode
from cardnet.v1.token_service_pb2 import ProvideTokenizedCardRequest, ProvideTokenizedCardResponse
from services.tsp.browser.origins import Origins
from services.tsp.checks import Finding, Use, verify
from services.tsp.cryptograms import Cryptograms, Made
from services.tsp.domain import RESPONSE_CODES, EntryMode, Requestor, TokenRecord, TokenState, Usage
from services.tsp.issuing import Declined, Issuing
from services.tsp.probes import Probes
from services.tsp.requestors import Requestors
from services.tsp.sealing import Entry
from services.tsp.vault import RedisVault

CRYPTOGRAM_TYPE = "SIM-TAVV"
"""What the document calls typeOfCryptogram; no real network's."""

_AUTHENTICATED, _NOT_AUTHENTICATED = "05", "07"
"""The electronic commerce indicators."""


_SERVED_BY = {
    Usage.ONE_TIME: (Usage.ONE_TIME,),
    # The document's card-on-file is for payments that the payee begins, too: for us that is a recurring requestor's.
    Usage.CARD_ON_FILE: (Usage.RECURRING, Usage.CARD_ON_FILE),
    Usage.RECURRING: (Usage.RECURRING,),
}
"""Whose tokens serve what a page asks for: requestors of the first usage, or else of the next."""


class _Payee(NamedTuple):
    """Who is to be paid."""

    requestor: Requestor
    """The effective requestor, in the document's words."""
    merchant_id: str


class TokenizedCards:
    """Gives wallets what they pay with."""

    def __init__(
        self,
        issuing: Issuing,
        vault: RedisVault,
        cryptograms: Cryptograms,
        requestors: Requestors,
        origins: Origins,
        probes: Probes,
        clock: Clock,
    ) -> None:
        self._issuing = issuing
        self._vault = vault
        self._cryptograms = cryptograms
        self._requestors = requestors
        self._origins = origins
        self._probes = probes
        self._clock = clock

    async def provide(self, request: ProvideTokenizedCardRequest, call: Call) -> ProvideTokenizedCardResponse:
        """A token and a cryptogram for exactly this purchase; the code says why not."""
        # Who asks, with which card, and who is to be paid.
        await self._requestors.registered(request.token_requestor_id, call.caller)
        self._probes.allow(call.caller)
        card = await self._card_of(request)
        if isinstance(card, ResponseCode):
            if card is ResponseCode.INVALID_CARD:
                self._probes.note(call.caller)
            return ProvideTokenizedCardResponse(response_code=card)
        payee = await self._payee_of(request)
        if payee is None:
            return ProvideTokenizedCardResponse(response_code=ResponseCode.NOT_PERMITTED_TO_CARD)

        # The payee's token for the card, as its own Token Request would get it.
        assert card.pan is not None and card.pan_expiry is not None  # an active token has a card
        issued = await self._issuing.issue(card.pan, card.pan_expiry, payee.requestor)
        if isinstance(issued, Declined):
            self._probes.note(call.caller)
            return ProvideTokenizedCardResponse(response_code=issued.response_code)

        # The checks of step 4, as far as they can be made before the payment: a step-up ends here with 78.
        now = self._clock.now()
        verdict = verify(issued.entry.record, _use_at(payee), now.date())
        if verdict.refusal:
            return ProvideTokenizedCardResponse(response_code=RESPONSE_CODES[verdict.refusal])
        made = await self._cryptograms.make(issued.entry, _purchase_at(payee, request), now, Binding.EXACT)
        if made is None:
            return ProvideTokenizedCardResponse(response_code=ResponseCode.CRYPTOGRAM_FAILURE)
        return _answer(card, issued.entry, made, user_authenticated=request.user_authenticated)

    async def _card_of(self, request: ProvideTokenizedCardRequest) -> Entry | ResponseCode:
        """The wallet's own token of the card. 14 for none and for another's alike; else why it cannot be used now."""
        entry = await self._vault.named(request.token_reference_id)
        if entry is None or entry.record.token_requestor_id != request.token_requestor_id:
            return ResponseCode.INVALID_CARD
        return self._unusable(entry.record) or entry

    def _unusable(self, record: TokenRecord) -> ResponseCode | None:
        if record.state is TokenState.SUSPENDED:
            return ResponseCode.RESTRICTED_CARD
        if record.state is not TokenState.ACTIVE:
            return ResponseCode.TOKEN_NOT_IN_USE
        return None if record.usable_from(self._clock.now().date()) else ResponseCode.EXPIRED_CARD

    async def _payee_of(self, request: ProvideTokenizedCardRequest) -> _Payee | None:
        """The requestor whose key is at that address, for this usage and merchant: the first registered that fits."""
        identity = self._origins.identity_of(origin_of(request.key_provider_url))
        theirs = [one for one in await self._requestors.all() if identity and one.identity == identity]
        for usage in _SERVED_BY[Usage(request.usage or Usage.ONE_TIME)]:
            for requestor in theirs:
                if _serves(requestor, usage, request.payee_id):
                    return _Payee(requestor, request.payee_id or _only_merchant(requestor))
        return None


def _serves(requestor: Requestor, usage: Usage, payee_id: str) -> bool:
    domain = requestor.domain
    fits = domain.usage is usage and EntryMode.ECOMMERCE in domain.entry_modes and bool(domain.merchant_ids)
    return fits and payee_id in domain.merchant_ids | {""}


def _only_merchant(requestor: Requestor) -> str:
    if len(requestor.domain.merchant_ids) > 1:
        raise InvalidField("payee_id", "must be given: the effective requestor has several merchants")
    (merchant_id,) = requestor.domain.merchant_ids
    return merchant_id


def _use_at(payee: _Payee) -> Use:
    return Use(
        token_requestor_id=payee.requestor.token_requestor_id,
        merchant_id=payee.merchant_id,
        merchant_domain=payee.requestor.domain.merchant_domain,
        entry_mode=None,
        token_expiry=None,
        cryptogram=Finding.ABSENT,
    )


def _purchase_at(payee: _Payee, request: ProvideTokenizedCardRequest) -> Purchase:
    return Purchase(
        amount_minor=request.amount_minor,
        currency=request.currency,
        country=payee.requestor.merchant_country,
        token_requestor_id=payee.requestor.token_requestor_id,
        merchant_domain=payee.requestor.domain.merchant_domain,
        merchant_id=payee.merchant_id,
        merchant_initiated=False,
    )


def _answer(card: Entry, token: Entry, made: Made, *, user_authenticated: bool) -> ProvideTokenizedCardResponse:
    assert card.pan is not None  # it was just issued for
    return ProvideTokenizedCardResponse(
        response_code=ResponseCode.APPROVED,
        payment_token=token.token.reveal(),
        token_expiry=str(token.record.token_expiry),
        cryptogram=made.value,
        cryptogram_type=CRYPTOGRAM_TYPE,
        token_requestor_id=token.record.token_requestor_id,
        eci=_AUTHENTICATED if user_authenticated else _NOT_AUTHENTICATED,
        token_reference_id=token.reference,
        par=token.record.par,
        pan_last_four=card.pan.last_four,
        pan_expiry=str(card.pan_expiry),
        card_network=card.pan.range.network,
    )
