"""The token service provider's calls on cards (EMVCo framework 2.3, table 8.12, row 5): what issuers tell of them."""

from cardnet.call import Call
from cardnet.card import Expiry, Pan
from cardnet.cde.v1.pan_lifecycle_pb2 import (
    ChangePanResponse,
    EnquireParRequest,
    EnquireParResponse,
    ReplacePanRequest,
    ReportPanLostRequest,
    UpdatePanExpiryRequest,
)
from cardnet.cde.v1.pan_lifecycle_pb2_grpc import PanLifecycleServicer as PanLifecycleServicerBase
from cardnet.errors import InvalidField
from cardnet.response_code import ResponseCode
from services.tsp import life
from services.tsp.authority import may_speak_of, party_of
from services.tsp.cards import Cards
from services.tsp.domain import Cause, Party
from services.tsp.sealing import Entry
from services.tsp.shown import token_message
from services.tsp.vault import Edit, RedisVault

_NOT_ITS = ResponseCode.INVALID_CARD
"""What an edit says of a token that once stood for the card and does not now; nobody is told."""


class PanLifecycleServicer(PanLifecycleServicerBase):
    """Has a card's tokens follow what becomes of it. Each call may be repeated: that ends what was begun."""

    def __init__(self, vault: RedisVault, cards: Cards) -> None:
        self._vault = vault
        self._cards = cards

    async def ReplacePan(self, request: ReplacePanRequest, call: Call) -> ChangePanResponse:
        """Have a card's tokens stand for another one; they keep number, expiry and PAR."""
        pan, successor = Pan(request.pan), Pan(request.new_pan)
        expiry = Expiry.parse(request.new_pan_expiry)
        if successor == pan:
            raise InvalidField("new_pan", "must be another number than pan")
        if successor.range is not pan.range:
            # The token's range says the card's product, and the token stays.
            raise InvalidField("new_pan", "must be of the same issuer and product as pan")
        references = await self._references_of(pan, call)
        if not references:
            return ChangePanResponse(response_code=ResponseCode.INVALID_CARD)

        # First the new card knows the tokens and the old one hands none out any more, then the tokens change one by
        # one. Wherever this stops, the old card still knows what ever stood for it, and a repeat finds all of them.
        if not await self._cards.succeed(pan, successor):
            return ChangePanResponse(response_code=ResponseCode.DUPLICATE_TRANSMISSION)

        def replaced(entry: Entry) -> Entry | ResponseCode:
            if entry.pan == pan:
                return entry.for_card(successor, expiry)
            return entry if entry.pan == successor else _NOT_ITS

        return await self._edit_all(references, replaced, party_of(call.caller), Cause.CARD_REPLACED)

    async def UpdatePanExpiry(self, request: UpdatePanExpiryRequest, call: Call) -> ChangePanResponse:
        """Give a card's tokens its new expiry; their own stays."""
        pan, expiry = Pan(request.pan), Expiry.parse(request.pan_expiry)

        def renewed(entry: Entry) -> Entry | ResponseCode:
            if entry.pan != pan:
                return _NOT_ITS
            return entry if entry.pan_expiry == expiry else entry.for_card(pan, expiry)

        references = await self._references_of(pan, call)
        return await self._edit_all(references, renewed, party_of(call.caller), Cause.CARD_REPLACED)

    async def ReportPanLost(self, request: ReportPanLostRequest, call: Call) -> ChangePanResponse:
        """Suspend a card's tokens in the issuer's name, whoever reports it."""
        pan = Pan(request.pan)
        references = await self._references_of(pan, call)
        return await self._edit_all(
            references,
            lambda entry: entry.after(life.lose(entry.record)) if entry.pan == pan else _NOT_ITS,
            Party.ISSUER,
            Cause.LOST_OR_STOLEN,
        )

    async def EnquirePar(self, request: EnquireParRequest, call: Call) -> EnquireParResponse:
        """Tell a card's Payment Account Reference."""
        pan = Pan(request.pan)
        par = await self._cards.known_par(pan)
        if not par or not may_speak_of(call.caller, pan):
            return EnquireParResponse(response_code=ResponseCode.INVALID_CARD)
        return EnquireParResponse(response_code=ResponseCode.APPROVED, par=par)

    async def _references_of(self, pan: Pan, call: Call) -> list[str]:
        """The references of all that ever stood for a card; none where it is not the caller's to speak of."""
        references = await self._cards.references_of(pan)
        return references if may_speak_of(call.caller, pan) else []

    async def _edit_all(self, references: list[str], edit: Edit, party: Party, cause: Cause) -> ChangePanResponse:
        """Change each token that stands for the card, and show them as they are then. 14 where it never had any."""
        if not references:
            return ChangePanResponse(response_code=ResponseCode.INVALID_CARD)
        outcomes = [await self._vault.change(reference, edit, party, cause) for reference in references]
        tokens = [token_message(outcome) for outcome in outcomes if isinstance(outcome, Entry)]
        return ChangePanResponse(response_code=ResponseCode.APPROVED, tokens=tokens)
