"""Browser tokens in Redis: a card that a page sent, sealed, until a merchant's server makes something of it.

    tsp:{fingerprint}:browser    what it was used up for, the token issued for that, the card (tokens.lua)

The fingerprint is a keyed hash of the browser token: the store never has the token itself. Both it and the seal are
made with the history's key, because that is for reading for a day after its rotation, and no browser token lives
longer: so nothing has to be brought under another key. A row goes by itself an hour after its token expired, as the
wall clock has it; within that hour its owner is told that it expired. No backup has any.
"""

import hashlib
import json
import secrets
import string
from datetime import datetime, timedelta
from importlib import resources
from typing import NamedTuple

from cardnet.card import Expiry, Pan
from cardnet.config import SettingMissing
from cardnet.env import Clock
from cardnet.errors import Unavailable
from cardnet.store import Store
from services.tsp.keys import KeySet
from services.tsp.using import while_using_keys

LIBRARY = resources.files("services.tsp.browser").joinpath("tokens.lua").read_text()

LENGTH = 32
LONGEST_LIFE_S = 86_400
"""As long as the key before the last one is there to be read with (services/tsp/rotation.py)."""
KEPT_AFTER_S = 3_600
"""How much longer than its token's life a row is kept."""

_ALPHABET = string.ascii_letters + string.digits
_SCHEMA = b"cardnet.browser-card.v1"
_UNUSED = b"-" * 32
_HEAD = 2 * len(_UNUSED)
_NUMBER = 4
"""The bytes before the ciphertext that say under which key it is."""


class Page(NamedTuple):
    """Where a card was typed, and for whom."""

    identity: str
    """The caller to whom the page's origin is registered, by its name in cardnet/identity.py."""
    merchant_id: str
    service_id: str
    origin: str


class Kept(NamedTuple):
    """A card behind a browser token. Print it freely: the number hides its digits."""

    fingerprint: str
    pan: Pan
    pan_expiry: Expiry
    page: Page
    expires_at: datetime


class UsedUp(NamedTuple):
    """What a browser token was used up for."""

    mine: bool
    """Whether that is what it was asked for now."""
    reference: str
    """The token that was issued for that; empty where there is none yet."""


def checked_life_s(life_s: int) -> int:
    """The life of a token in seconds, if it may be so long. SettingMissing if not."""
    if not 1 <= life_s <= LONGEST_LIFE_S:
        raise SettingMissing(f"CARDNET_TSP_BROWSER_TOKEN_LIFE_S must be from 1 to {LONGEST_LIFE_S:,} seconds")
    return life_s


def is_browser_card(name: str) -> bool:
    """Whether it is the name of a row of these."""
    return name.startswith("tsp:{") and name.endswith("}:browser")


class BrowserTokens:
    """Keeps cards under browser tokens. Every coroutine raises Unavailable when store or keys do not answer."""

    def __init__(self, store: Store, keys: KeySet, clock: Clock, life_s: int) -> None:
        """life_s: how long a token is good, by the clock, which tests move. SettingMissing if it is too long."""
        self._store = store
        self._keys = keys
        self._clock = clock
        self._life_s = checked_life_s(life_s)

    @while_using_keys
    async def keep(self, pan: Pan, pan_expiry: Expiry, page: Page) -> tuple[str, datetime]:
        """A new token for a card, and until when it is good."""
        token = "".join(secrets.choice(_ALPHABET) for _ in range(LENGTH))
        fingerprint = self._fingerprints(token)[0]
        kept = Kept(fingerprint, pan, pan_expiry, page, self._clock.now() + timedelta(seconds=self._life_s))
        number, sealed = self._keys.seal_history(_facts(kept), _beside(fingerprint))
        row = 2 * _UNUSED + number.to_bytes(_NUMBER, "big") + sealed
        gone_in_ms = (self._life_s + KEPT_AFTER_S) * 1000
        if not await self._store.command("SET", _key(fingerprint), row, "NX", "PX", gone_in_ms):
            raise Unavailable("VAULT_CONTENDED", "chance drew the same token twice; ask again")
        return token, kept.expires_at

    @while_using_keys
    async def find(self, token: str) -> Kept | None:
        """The card behind a token; None where there is none, or not any more."""
        for fingerprint in self._fingerprints(token):
            row: bytes | None = await self._store.command("GET", _key(fingerprint))
            if row is not None:
                number, sealed = int.from_bytes(row[_HEAD : _HEAD + _NUMBER], "big"), row[_HEAD + _NUMBER :]
                facts = self._keys.unseal_history(number, sealed, _beside(fingerprint))
                return _kept(fingerprint, json.loads(facts))
        return None

    async def use_up(self, kept: Kept, purpose: str) -> UsedUp | None:
        """Use a token up for something, unless it was for something else. None where it is gone meanwhile."""
        mark = hashlib.sha256(purpose.encode()).hexdigest()[:32].encode()
        answer: list[bytes] | None = await self._store.call("tsp_use_up", [_key(kept.fingerprint)], [mark])
        return UsedUp(answer[0] == mark, answer[1].decode()) if answer else None

    async def note_issued(self, kept: Kept, reference: str) -> str:
        """Note which token was issued for a card. Answers the reference that is noted then: the first one's."""
        noted: bytes = await self._store.call("tsp_note_issued", [_key(kept.fingerprint)], [reference])
        return noted.decode()

    def _fingerprints(self, token: str) -> tuple[str, ...]:
        return self._keys.fingerprints(_SCHEMA + token.encode())


def _key(fingerprint: str) -> str:
    return f"tsp:{{{fingerprint}}}:browser"


def _beside(fingerprint: str) -> bytes:
    return _SCHEMA + fingerprint.encode()


def _facts(kept: Kept) -> bytes:
    # Of one length whatever the PAN's: 13 digits and 19 look alike.
    card = f"{kept.pan.reveal():<20}{kept.pan_expiry}"
    return json.dumps({"card": card, "page": kept.page, "expires_at": kept.expires_at.isoformat()}).encode()


def _kept(fingerprint: str, facts: dict[str, str]) -> Kept:
    card, until = facts["card"], datetime.fromisoformat(facts["expires_at"])
    return Kept(fingerprint, Pan(card[:20].rstrip()), Expiry.parse(card[20:]), Page(*facts["page"]), until)
