"""Issuing a token: the issuer verifies the account, and the requestor has a token for the card."""

from typing import NamedTuple

from cardnet.card import Expiry, Pan
from cardnet.cde.v1.issuer_pb2 import VerifyAccountRequest, VerifyAccountResponse
from cardnet.cde.v1.issuer_pb2_grpc import IssuerStub
from cardnet.env import Env
from cardnet.response_code import ResponseCode
from cardnet.v1.token_pb2 import TOKEN_STATE_UNSPECIFIED
from cardnet.v1.token_service_pb2 import TOKEN_DECISION_STEP_UP, TokenDecision
from services.tsp.cards import Cards
from services.tsp.domain import Assurance, Cause, Location, Party, Requestor, TokenState, new_record
from services.tsp.life import activate
from services.tsp.sealing import Entry
from services.tsp.vault import RedisVault


class Declined(NamedTuple):
    """The issuer's no: there is no token."""

    response_code: str
    decision: TokenDecision


class Issued(NamedTuple):
    """A requestor's token for a card."""

    entry: Entry
    steps_up: bool
    """Whether the token waits for the cardholder's passcode."""


class Issuing:
    """Issues tokens. Unavailable when issuer, store or keys do not answer."""

    def __init__(self, vault: RedisVault, cards: Cards, issuer: IssuerStub, env: Env) -> None:
        self._vault = vault
        self._cards = cards
        self._issuer = issuer
        self._env = env

    async def issue(
        self, pan: Pan, pan_expiry: Expiry, requestor: Requestor, location: Location = Location.UNSPECIFIED
    ) -> Issued | Declined:
        """The token of this card and requestor: the one that there is unless it is used up, else a new one.

        location: where the requestor will keep it; unspecified: as it registered.
        """
        # The issuer verifies the cardholder (EMVCo's ID&V): without its yes there is no token.
        held = await self._vault.held(pan, requestor.token_requestor_id)
        reference = held.reference if held else await self._vault.free_reference()
        account = await self._verified(pan, pan_expiry, reference)
        if account.response_code != ResponseCode.APPROVED:
            return Declined(account.response_code, account.decision)

        # Issue, in the state that the issuer wants; the same card and requestor have one token, unless it is used up.
        record = new_record(
            pan,
            requestor,
            _first_state(account),
            par=await self._cards.par_of(pan),
            assurance=Assurance(account.token_assurance_level, account.token_assurance_data),
            today=self._env.clock.now().date(),
            location=location,
        )
        entry = await self._vault.issue(reference, pan, pan_expiry, record)
        if entry.record.state is TokenState.INACTIVE and record.state is TokenState.ACTIVE:
            # It waited for a passcode, and the issuer does not want one any more.
            entry = await self.activated(entry, Assurance(record.assurance_level, record.assurance_data)) or entry
        waits = entry.record.state is TokenState.INACTIVE and account.decision == TOKEN_DECISION_STEP_UP
        return Issued(entry, waits)

    async def activated(self, entry: Entry, assurance: Assurance) -> Entry | None:
        """The token, active now that the issuer is content; None where something else was done to it meanwhile."""
        changed = await self._vault.change(
            entry.reference, lambda known: confirmed(known, assurance), Party.ISSUER, Cause.CARDHOLDER_CONFIRMED
        )
        return changed if isinstance(changed, Entry) else None

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
