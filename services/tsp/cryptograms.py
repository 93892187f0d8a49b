"""Cryptograms for purchases: counted first, then made."""

import secrets
from datetime import datetime, timedelta
from typing import NamedTuple

from cardnet.cryptogram import Binding, Purchase
from services.tsp.keys import KeySet
from services.tsp.policy import Policy
from services.tsp.sealing import Entry
from services.tsp.uses import Uses


class Made(NamedTuple):
    """A cryptogram. Never printed."""

    value: str
    """As messages carry it: base64."""
    atc: int
    key_index: int
    expires_at: str
    """UTC, to the second."""


class Cryptograms:
    """Makes them. Unavailable when the store or the keys do not answer."""

    def __init__(self, uses: Uses, keys: KeySet, policy: Policy) -> None:
        self._uses = uses
        self._keys = keys
        self._policy = policy

    async def make(self, entry: Entry, purchase: Purchase, now: datetime, binding: Binding) -> Made | None:
        """A cryptogram for one purchase with a token; None when the token has had all that it can have."""
        # The counter is written down before the cryptogram exists, so that no crash can give it out twice.
        limit_minor = purchase.amount_minor if binding is Binding.MAXIMUM else None
        atc = await self._uses.issue_atc(entry, int(now.timestamp() * 1000), limit_minor)
        if atc is None:
            return None
        key = self._keys.cryptogram_key
        value = key.make(entry.token, atc, secrets.token_bytes(4), purchase, now.date(), binding)
        until = now + timedelta(seconds=self._policy.cryptogram_window_s)
        return Made(value, atc, key.index, f"{until:%Y-%m-%dT%H:%M:%SZ}")
