"""The token service provider's calls on the life of a token (EMVCo framework 2.3, table 8.12)."""

from collections.abc import Callable

from cardnet.call import Call
from cardnet.card import PaymentToken
from cardnet.env import Clock
from cardnet.errors import InvalidField
from cardnet.response_code import ResponseCode
from cardnet.v1.token_lifecycle_pb2 import (
    ChangeTokenRequest,
    ChangeTokenResponse,
    GetTokenRequest,
    TokenName,
    UpdateTokenAttributesRequest,
)
from cardnet.v1.token_lifecycle_pb2_grpc import TokenLifecycleServicer as TokenLifecycleServicerBase
from services.tsp import life
from services.tsp.authority import Authority, authority_of
from services.tsp.domain import Cause, TokenRecord
from services.tsp.probes import Probes
from services.tsp.requestors import Requestors
from services.tsp.sealing import Entry
from services.tsp.shown import token_message
from services.tsp.vault import RedisVault

Step = Callable[[TokenRecord], life.Outcome]


class TokenLifecycleServicer(TokenLifecycleServicerBase):
    """Changes tokens for those whose they are. What is unknown and what is somebody else's gets one answer, one way."""

    def __init__(self, vault: RedisVault, requestors: Requestors, probes: Probes, clock: Clock) -> None:
        self._vault = vault
        self._requestors = requestors
        self._probes = probes
        self._clock = clock

    async def SuspendToken(self, request: ChangeTokenRequest, call: Call) -> ChangeTokenResponse:
        """Suspend a token in the caller's name."""
        authority = await authority_of(call.caller, self._requestors)
        return await self._change(request, authority, lambda record: life.suspend(record, authority.party))

    async def ResumeToken(self, request: ChangeTokenRequest, call: Call) -> ChangeTokenResponse:
        """Lift the caller's own suspension."""
        authority = await authority_of(call.caller, self._requestors)
        return await self._change(request, authority, lambda record: life.resume(record, authority.party))

    async def ActivateToken(self, request: ChangeTokenRequest, call: Call) -> ChangeTokenResponse:
        """Activate a token that was issued inactive."""
        return await self._change(request, await authority_of(call.caller, self._requestors), life.activate)

    async def UnlinkToken(self, request: ChangeTokenRequest, call: Call) -> ChangeTokenResponse:
        """Take a token's card away for good."""
        return await self._change(request, await authority_of(call.caller, self._requestors), life.unlink)

    async def UpdateTokenAttributes(self, request: UpdateTokenAttributesRequest, call: Call) -> ChangeTokenResponse:
        """Give a token another expiry, another assurance, or both."""
        authority = await authority_of(call.caller, self._requestors)
        asked = request.token_expiry, request.token_assurance_level, request.token_assurance_data
        new = life.attributes(*asked, authority.party, self._clock.now().date())
        return await self._edit(request.token, authority, lambda record: life.update_attributes(record, new))

    async def GetToken(self, request: GetTokenRequest, call: Call) -> ChangeTokenResponse:
        """Show a token as it stands now; a deleted one too."""
        return await self._edit(request.token, await authority_of(call.caller, self._requestors), lambda record: record)

    async def _change(self, request: ChangeTokenRequest, authority: Authority, step: Step) -> ChangeTokenResponse:
        return await self._edit(request.token, authority, step, Cause(request.cause))

    async def _edit(
        self, name: TokenName, authority: Authority, step: Step, cause: Cause = Cause.OTHER
    ) -> ChangeTokenResponse:
        """Change a token. Whose it is, is looked at in one piece with the change."""
        self._probes.allow(authority.identity)
        outcome = await self._vault.change(
            await self._reference_of(name),
            lambda entry: entry.after(step(entry.record)) if authority.covers(entry) else ResponseCode.INVALID_CARD,
            authority.party,
            cause,
        )
        if isinstance(outcome, Entry):
            return ChangeTokenResponse(response_code=ResponseCode.APPROVED, token=token_message(outcome))
        code = outcome or ResponseCode.INVALID_CARD
        if code is ResponseCode.INVALID_CARD:
            self._probes.note(authority.identity)
        return ChangeTokenResponse(response_code=code)

    async def _reference_of(self, name: TokenName) -> str:
        if bool(name.token_reference_id) == bool(name.payment_token):
            raise InvalidField("token", "must be named by one of token_reference_id and payment_token")
        if name.payment_token:
            entry = await self._vault.find(PaymentToken(name.payment_token))
            return entry.reference if entry else ""
        return name.token_reference_id
