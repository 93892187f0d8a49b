"""What a merchant's server gets for a browser token: the card behind it, once, for what it says."""

from datetime import datetime
from typing import NamedTuple

from cardnet.card import Expiry, Pan
from cardnet.env import Clock
from cardnet.response_code import ResponseCode
from cardnet.v1.token_service_pb2 import BrowserToken
from services.tsp.browser.tokens import BrowserTokens, Kept
from services.tsp.domain import Requestor


class Exchanged(NamedTuple):
    """A card that a browser token stood for."""

    kept: Kept
    reference: str
    """The token that was issued when the same was asked before; empty where it was not."""

    @property
    def card(self) -> tuple[Pan, Expiry]:
        """The card."""
        return self.kept.pan, self.kept.pan_expiry


class Exchange:
    """Gives cards for browser tokens. Unavailable when the store does not answer."""

    def __init__(self, tokens: BrowserTokens, clock: Clock) -> None:
        self._tokens = tokens
        self._clock = clock

    async def exchanged(self, asked: BrowserToken, requestor: Requestor) -> Exchanged | ResponseCode:
        """The card, and the token is used up; or why not.

        14: nobody's, or somebody else's. To its owner: 57 for another service, origin or merchant, 65 where it was used
        up for something else, 54 once it expired. It is used up for `used_for` and this requestor: who asks again for
        that gets the same again until it expires, because answers get lost. It stays used up when the issuer declines.
        """
        kept = await self._tokens.find(asked.value)
        if kept is None or kept.page.identity != requestor.identity:
            return ResponseCode.INVALID_CARD
        if not _made_for(kept, asked, requestor):
            return ResponseCode.NOT_PERMITTED_TO_CARD
        if _expired(kept, self._clock.now()):
            return ResponseCode.EXPIRED_CARD
        used = await self._tokens.use_up(kept, f"{requestor.token_requestor_id} {asked.used_for}")
        if used is None:
            return ResponseCode.INVALID_CARD
        return Exchanged(kept, used.reference) if used.mine else ResponseCode.USAGE_EXHAUSTED

    async def note_issued(self, exchanged: Exchanged, reference: str) -> str:
        """Note the token that was issued. Answers the reference of the one to give: the first that was."""
        return await self._tokens.note_issued(exchanged.kept, reference)


def _made_for(kept: Kept, asked: BrowserToken, requestor: Requestor) -> bool:
    page = kept.page
    same = (page.service_id, page.origin) == (asked.service_id, asked.origin)
    return same and page.merchant_id in requestor.domain.merchant_ids


def _expired(kept: Kept, now: datetime) -> bool:
    return now >= kept.expires_at
