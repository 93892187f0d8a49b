"""The token service provider's calls for Token Requestors: tokens for cards."""

from cardnet.call import Call
from cardnet.card import Expiry, Pan, PaymentToken
from cardnet.cde.v1.issuer_pb2 import CheckPasscodeRequest, VerifyAccountRequest, VerifyAccountResponse
from cardnet.cde.v1.issuer_pb2_grpc import IssuerStub
from cardnet.encrypted_card import decrypt
from cardnet.env import Env
from cardnet.errors import InvalidField
from cardnet.response_code import ResponseCode
from cardnet.v1.token_pb2 import TOKEN_STATE_UNSPECIFIED
from cardnet.v1.token_service_pb2 import (
    TOKEN_DECISION_APPROVED,
    TOKEN_DECISION_STEP_UP,
    ConfirmCardholderRequest,
    ConfirmCardholderResponse,
    RequestTokenRequest,
    RequestTokenResponse,
)
from services.tsp.cards import Cards
from services.tsp.domain import Assurance, Cause, Location, Party, Requestor, TokenState, new_record
from services.tsp.keys import KeySet
from services.tsp.life import activate
from services.tsp.probes import Probes
from services.tsp.requestors import Requestors
from services.tsp.sealing import Entry
from services.tsp.vault import RedisVault


class Provisioning:
    """Issues tokens to those to whom they belong."""

    def __init__(
        self,
        vault: RedisVault,
        cards: Cards,
        keys: KeySet,
        issuer: IssuerStub,
        env: Env,
        requestors: Requestors,
        probes: Probes,
    ) -> None:
        self._vault = vault
        self._cards = cards
        self._keys = keys
        self._issuer = issuer
        self._env = env
        self._requestors = requestors
        self._probes = probes

    async def request(self, request: RequestTokenRequest, call: Call) -> RequestTokenResponse:
        """Put a card on file: the requestor gets a token, and never saw the card."""
        # Who asks, and for which card.
        requestor = await self._requestors.registered(request.token_requestor_id, call.caller)
        self._probes.allow(call.caller)
        card = await self._card_of(request, requestor)
        if card is None:
            self._probes.note(call.caller)
            return RequestTokenResponse(response_code=ResponseCode.INVALID_CARD)
        pan, pan_expiry = card

        # The issuer verifies the cardholder (EMVCo's ID&V): without its yes there is no token.
        held = await self._vault.held(pan, requestor.token_requestor_id)
        reference = held.reference if held else await self._vault.free_reference()
        account = await self._verified(pan, pan_expiry, reference)
        if account.response_code != ResponseCode.APPROVED:
            self._probes.note(call.caller)
            return RequestTokenResponse(response_code=account.response_code, decision=account.decision)

        # Issue, in the state that the issuer wants; the same card and requestor have one token, unless it is used up.
        record = new_record(
            pan,
            requestor,
            _first_state(account),
            par=await self._cards.par_of(pan),
            assurance=Assurance(account.token_assurance_level, account.token_assurance_data),
            today=self._env.clock.now().date(),
            location=Location(request.location),
        )
        entry = await self._vault.issue(reference, pan, pan_expiry, record)
        if entry.record.state is TokenState.INACTIVE and record.state is TokenState.ACTIVE:
            # It waited for a passcode, and the issuer does not want one any more.
            entry = await self._activated(entry, Assurance(record.assurance_level, record.assurance_data)) or entry
        waits = entry.record.state is TokenState.INACTIVE and account.decision == TOKEN_DECISION_STEP_UP
        return _issued(entry, TOKEN_DECISION_STEP_UP if waits else TOKEN_DECISION_APPROVED)

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
            active = await self._activated(entry, assurance)
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

    async def _activated(self, entry: Entry, assurance: Assurance) -> Entry | None:
        """The token, active now that the issuer is content; None where something else was done to it meanwhile."""
        changed = await self._vault.change(
            entry.reference, lambda known: confirmed(known, assurance), Party.ISSUER, Cause.CARDHOLDER_CONFIRMED
        )
        return changed if isinstance(changed, Entry) else None

    async def _card_of(self, request: RequestTokenRequest, requestor: Requestor) -> tuple[Pan, Expiry] | None:
        """The card that a token is asked for. None where it is named by a token that this requestor may not use."""
        if bool(request.encrypted_card) == request.HasField("token"):
            raise InvalidField("encrypted_card", "give either encrypted_card or token")
        if request.encrypted_card:
            return decrypt(request.encrypted_card, (await self._keys.card_key()).private)
        entry = await self._named_by(request)
        if entry is None or entry.pan is None or entry.pan_expiry is None:
            return None
        own = entry.record.token_requestor_id == requestor.token_requestor_id
        # The one who holds the other token has its reference, and gives it to whom they let have a token of their own.
        if not own and request.token_request_authorisation != entry.reference:
            return None
        return entry.pan, entry.pan_expiry

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

    async def _verified(self, pan: Pan, pan_expiry: Expiry, reference: str) -> VerifyAccountResponse:
        asked = VerifyAccountRequest(pan=pan.reveal(), pan_expiry=str(pan_expiry), token_reference_id=reference)
        answer: VerifyAccountResponse = await self._issuer.VerifyAccount(asked)
        return answer


def confirmed(entry: Entry, assurance: Assurance) -> Entry | ResponseCode:
    """The token after its cardholder was confirmed: active, with the assurance that this gives."""
    active = activate(entry.record)
    if isinstance(active, ResponseCode):
        return active
    return entry.after(active.changed(assurance_level=assurance.level, assurance_data=assurance.data))


def _first_state(account: VerifyAccountResponse) -> TokenState:
    if account.decision == TOKEN_DECISION_STEP_UP:
        return TokenState.INACTIVE
    if account.token_state == TOKEN_STATE_UNSPECIFIED:
        return TokenState.ACTIVE
    return TokenState(account.token_state)


def _issued(entry: Entry, decision: int) -> RequestTokenResponse:
    record = entry.record
    return RequestTokenResponse(
        response_code=ResponseCode.APPROVED,
        payment_token=entry.token.reveal(),
        token_expiry=str(record.token_expiry),
        token_reference_id=entry.reference,
        token_assurance_level=record.assurance_level,
        par=record.par,
        pan_last_four=record.pan_last_four,
        pos_entry_modes=[f"POS_ENTRY_MODE_{mode.name}" for mode in sorted(record.domain.entry_modes)],
        decision=decision,  # type: ignore[arg-type]  # an enumeration's number is its value
        state=f"TOKEN_STATE_{record.state.name}",
    )
