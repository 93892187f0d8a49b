"""The token service provider's calls for Token Requestors: tokens for cards."""

from typing import NamedTuple

from cardnet.call import Call
from cardnet.card import Expiry, Pan, PaymentToken
from cardnet.cde.v1.issuer_pb2 import CheckPasscodeRequest
from cardnet.cde.v1.issuer_pb2_grpc import IssuerStub
from cardnet.encrypted_card import decrypt
from cardnet.errors import InvalidField
from cardnet.response_code import ResponseCode
from cardnet.v1.token_service_pb2 import (
    TOKEN_DECISION_APPROVED,
    TOKEN_DECISION_STEP_UP,
    ConfirmCardholderRequest,
    ConfirmCardholderResponse,
    RequestTokenRequest,
    RequestTokenResponse,
)
from services.tsp.browser.exchange import Exchange, Exchanged
from services.tsp.domain import Assurance, Location, Requestor, TokenState
from services.tsp.issuing import Declined, Issued, Issuing
from services.tsp.keys import KeySet
from services.tsp.probes import Probes
from services.tsp.requestors import Requestors
from services.tsp.sealing import Entry
from services.tsp.vault import RedisVault


class _Asked(NamedTuple):
    """The card that a token is asked for."""

    pan: Pan
    pan_expiry: Expiry
    exchanged: Exchanged | None = None
    """Where a browser token stood for it."""


class Provisioning:
    """Issues tokens to those to whom they belong."""

    def __init__(
        self,
        issuing: Issuing,
        vault: RedisVault,
        keys: KeySet,
        issuer: IssuerStub,
        requestors: Requestors,
        probes: Probes,
        exchange: Exchange,
    ) -> None:
        self._issuing = issuing
        self._vault = vault
        self._keys = keys
        self._issuer = issuer
        self._requestors = requestors
        self._probes = probes
        self._exchange = exchange

    async def request(self, request: RequestTokenRequest, call: Call) -> RequestTokenResponse:
        """Put a card on file: the requestor gets a token, and never saw the card."""
        # Who asks, and for which card.
        requestor = await self._requestors.registered(request.token_requestor_id, call.caller)
        self._probes.allow(call.caller)
        card = await self._card_of(request, requestor)
        if isinstance(card, ResponseCode):
            if card is ResponseCode.INVALID_CARD:
                self._probes.note(call.caller)
            return RequestTokenResponse(response_code=card)

        # Who asks again for what a browser token was used up for gets the same token, spent or not.
        given = await self._given_before(card)
        if given:
            return _answer(given)

        issued = await self._issuing.issue(card.pan, card.pan_expiry, requestor, Location(request.location))
        if isinstance(issued, Declined):
            self._probes.note(call.caller)
            return RequestTokenResponse(response_code=issued.response_code, decision=issued.decision)
        return _answer(await self._noted(card, issued))

    async def confirm(self, request: ConfirmCardholderRequest, call: Call) -> ConfirmCardholderResponse:
        """Have the issuer check the passcode that the cardholder typed, and activate the token if it is right."""
        await self._requestors.registered(request.token_requestor_id, call.caller)
        self._probes.allow(call.caller)
        entry = await self._vault.named(request.token_reference_id)
        if entry is None or entry.record.token_requestor_id != request.token_requestor_id:
            self._probes.note(call.caller)
            return ConfirmCardholderResponse(response_code=ResponseCode.INVALID_CARD)
        if entry.record.state is not TokenState.INACTIVE:
            return ConfirmCardholderResponse(response_code=ResponseCode.TOKEN_NOT_IN_USE)

        checked = await self._issuer.CheckPasscode(
            CheckPasscodeRequest(token_reference_id=entry.reference, passcode=request.passcode)
        )
        state: TokenState = entry.record.state
        if checked.response_code == ResponseCode.APPROVED:
            assurance = Assurance(checked.token_assurance_level, checked.token_assurance_data)
            active = await self._issuing.activated(entry, assurance)
            if active is None:
                return ConfirmCardholderResponse(response_code=ResponseCode.TOKEN_NOT_IN_USE)
            state = active.record.state
        code = checked.response_code
        return ConfirmCardholderResponse(
            response_code=ResponseCode.TOKEN_NOT_IN_USE if code == ResponseCode.RECORD_NOT_FOUND else code,
            outcome=checked.outcome,
            tries_left=checked.tries_left,
            state=f"TOKEN_STATE_{state.name}",
        )

    async def _given_before(self, card: _Asked) -> Issued | None:
        """The token that was issued when the same was asked before, if it is active: else the issuer is asked again."""
        reference = card.exchanged.reference if card.exchanged else ""
        entry = await self._vault.named(reference) if reference else None
        return Issued(entry, steps_up=False) if entry and entry.record.state is TokenState.ACTIVE else None

    async def _noted(self, card: _Asked, issued: Issued) -> Issued:
        """What was issued, noted with the browser token. Of two who asked for the same at once, both get the first."""
        if not card.exchanged:
            return issued
        reference = await self._exchange.note_issued(card.exchanged, issued.entry.reference)
        if reference == issued.entry.reference:
            return issued
        first = await self._given_before(card._replace(exchanged=card.exchanged._replace(reference=reference)))
        return first or issued

    async def _card_of(self, request: RequestTokenRequest, requestor: Requestor) -> _Asked | ResponseCode:
        """The card that a token is asked for; or why this requestor may not have one by what stands for the card."""
        sources = bool(request.encrypted_card), request.HasField("token"), request.HasField("browser_token")
        if sum(sources) != 1:
            raise InvalidField("encrypted_card", "give exactly one of encrypted_card, token and browser_token")
        if request.encrypted_card:
            return _Asked(*decrypt(request.encrypted_card, (await self._keys.card_key()).private))
        if request.HasField("browser_token"):
            exchanged = await self._exchange.exchanged(request.browser_token, requestor)
            return exchanged if isinstance(exchanged, ResponseCode) else _Asked(*exchanged.card, exchanged)
        return await self._card_behind(request, requestor)

    async def _card_behind(self, request: RequestTokenRequest, requestor: Requestor) -> _Asked | ResponseCode:
        """The card of the token that stands for it. 14 where this requestor may not use that."""
        entry = await self._named_by(request)
        if entry is None or entry.pan is None or entry.pan_expiry is None:
            return ResponseCode.INVALID_CARD
        own = entry.record.token_requestor_id == requestor.token_requestor_id
        # The one who holds the other token has its reference, and gives it to whom they let have a token of their own.
        if not own and request.token_request_authorisation != entry.reference:
            return ResponseCode.INVALID_CARD
        return _Asked(entry.pan, entry.pan_expiry)

    async def _named_by(self, request: RequestTokenRequest) -> Entry | None:
        name = request.token
        if bool(name.payment_token) == bool(name.token_reference_id):
            raise InvalidField("token", "give either payment_token or token_reference_id")
        if name.token_reference_id:
            return await self._vault.named(name.token_reference_id)
        if not request.token_expiry:
            raise InvalidField("token_expiry", "must be there with payment_token")
        entry = await self._vault.find(PaymentToken(name.payment_token))
        return entry if entry and str(entry.record.token_expiry) == request.token_expiry else None


def _answer(issued: Issued) -> RequestTokenResponse:
    entry, record = issued.entry, issued.entry.record
    return RequestTokenResponse(
        response_code=ResponseCode.APPROVED,
        payment_token=entry.token.reveal(),
        token_expiry=str(record.token_expiry),
        token_reference_id=entry.reference,
        token_assurance_level=record.assurance_level,
        par=record.par,
        pan_last_four=record.pan_last_four,
        pos_entry_modes=[f"POS_ENTRY_MODE_{mode.name}" for mode in sorted(record.domain.entry_modes)],
        decision=TOKEN_DECISION_STEP_UP if issued.steps_up else TOKEN_DECISION_APPROVED,
        state=f"TOKEN_STATE_{record.state.name}",
    )
