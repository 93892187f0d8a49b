"""A card as a page sent it: opened, judged member by member, and kept under a token for its merchant's server."""

import re
from datetime import date
from typing import NamedTuple

from cardnet.card import Expiry, Pan, pan_fault
from cardnet.encrypted_card import TypedCard, decrypt_typed
from cardnet.env import Clock
from cardnet.errors import InvalidField, NotPermitted, Overloaded
from cardnet.rules import masked
from services.tsp.browser.origins import Origins
from services.tsp.browser.tokens import BrowserTokens, Page
from services.tsp.keys import KeySet
from services.tsp.probes import Probes
from services.tsp.requestors import Requestors

MOST_AT_ONCE = 200
"""So many cards may the pages of one origin send at once ..."""
PER_SECOND = 2.0
"""... and so many more in each second: the store holds no more than some ten thousand for each origin."""

_EXPIRY = re.compile(r"[0-9]{2}(0[1-9]|1[0-2])")
_SECURITY_CODE = re.compile(r"[0-9]{3,4}")


class Sent(NamedTuple):
    """What a page sends."""

    merchant_id: str
    service_id: str
    encrypted_card: str


class Given(NamedTuple):
    """What a page gets for a card, by its names there."""

    token: str
    maskedNumber: str  # noqa: N815 - the page's spelling
    brand: str
    expiresAt: str  # noqa: N815


class PageCards:
    """Takes cards from pages. Unavailable when store or keys do not answer."""

    def __init__(
        self, tokens: BrowserTokens, keys: KeySet, requestors: Requestors, origins: Origins, clock: Clock
    ) -> None:
        self._tokens = tokens
        self._keys = keys
        self._requestors = requestors
        self._origins = origins
        self._clock = clock
        self._sent = Probes(clock, MOST_AT_ONCE, PER_SECOND, _too_many)

    async def take(self, sent: Sent, origin: str) -> Given:
        """A token for a card. NotPermitted where that page may not have one, InvalidField where the card is wrong."""
        page = Page(await self._identity(origin, sent.merchant_id), sent.merchant_id, sent.service_id, origin)
        self._sent.note(origin)
        pan, pan_expiry = await self._card_in(sent.encrypted_card)
        token, expires_at = await self._tokens.keep(pan, pan_expiry, page)
        return Given(token, masked(pan.reveal()), pan.range.network, f"{expires_at:%Y-%m-%dT%H:%M:%SZ}")

    async def _identity(self, origin: str, merchant_id: str) -> str:
        """To whom the page's origin is registered, and the merchant with it."""
        identity = self._origins.identity_of(origin)
        if not identity:
            raise NotPermitted("ORIGIN_NOT_REGISTERED", "this page's origin is not registered with the token service")
        theirs = [known for known in await self._requestors.all() if known.identity == identity]
        if not any(merchant_id in known.domain.merchant_ids for known in theirs):
            raise NotPermitted("MERCHANT_NOT_YOURS", "the merchant id is not registered to this page's origin")
        return identity

    async def _card_in(self, encrypted: str) -> tuple[Pan, Expiry]:
        try:
            typed = decrypt_typed(encrypted, (await self._keys.card_key()).private)
        except InvalidField as fault:
            raise InvalidField("encryptedCard", fault.rule) from None
        return judged(typed, self._clock.now().date())


def judged(typed: TypedCard, today: date) -> tuple[Pan, Expiry]:
    """The card, if it may be one. InvalidField names what its holder must mend: number, expiry or securityCode.

    The security code is looked at and let go: no part of the network checks one, and nobody may keep it.
    """
    fault = pan_fault(typed.pan)
    if fault:
        raise InvalidField("number", fault)
    if not _EXPIRY.fullmatch(typed.pan_expiry):
        raise InvalidField("expiry", "must be a month from 01 to 12 and a year")
    expiry = Expiry.parse(typed.pan_expiry)
    if expiry.passed(today.year, today.month):
        raise InvalidField("expiry", "must not be in the past")
    if typed.security_code and not _SECURITY_CODE.fullmatch(typed.security_code):
        raise InvalidField("securityCode", "must be 3 or 4 digits")
    return Pan(typed.pan), expiry


def _too_many(wait_s: int) -> Overloaded:
    return Overloaded("TOO_MANY_CARDS", f"the pages of this origin sent too many cards; try again in {wait_s} s")
