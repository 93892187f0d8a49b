"""The one-time passcodes that cardholders were sent, in Redis: as keyed digests, and sealed for the telephone."""

import hmac
import os
from datetime import datetime, timedelta
from importlib import resources

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cardnet.errors import Unavailable
from cardnet.store import Store
from services.issuer.keys import PasscodeKeys
from services.issuer.verification import PasscodeOutcome, PasscodeTried

LIBRARY = resources.files("services.issuer").joinpath("passcodes.lua").read_text("utf-8")

_NONCE_BYTES = 12


class RedisPasscodes:
    """Passcodes, found by the reference of the token that waits.

    Every coroutine raises Unavailable when the store does.
    Nothing expires in the store itself: the issuer's clock says what is too old, and a new passcode takes the old one's
    place.
    """

    def __init__(self, store: Store, keys: PasscodeKeys, tries: int, life: timedelta) -> None:
        """tries: how often a passcode may be typed. life: how long it is good."""
        self._store = store
        self._naming = keys.naming
        self._sealing = AESGCM(keys.sealing)
        self._tries = tries
        self._life = life

    async def send(self, reference: str, passcode: str, now: datetime, *, never_right: bool) -> None:
        """Have a step-up wait for a passcode from now on, with all its tries, in place of any that it had.

        reference: the token's. never_right: the cardholder gets the passcode, and typing it does not help.
        """
        fields: dict[str, str | bytes] = {
            "digest": "" if never_right else self._digest(reference, passcode),  # an empty text is no digest of any
            "sealed": self._sealed(reference, passcode),
            "expires_s": str(int((now + self._life).timestamp())),
            "tries_left": str(self._tries),
        }
        await self._store.command("HSET", self._place(reference), *(part for item in fields.items() for part in item))

    async def attempt(self, reference: str, passcode: str, now: datetime) -> PasscodeTried | None:
        """Use up a try. A right passcode is used up with it. None where none is waited for."""
        args = (self._digest(reference, passcode), str(int(now.timestamp())))
        outcome, left = await self._store.call("issuer_try_passcode", (self._place(reference),), args)
        return PasscodeTried(PasscodeOutcome(outcome.decode()), int(left)) if outcome else None

    async def read(self, reference: str) -> str | None:
        """What the cardholder was sent last. None where nothing was, or it was right and is used up."""
        sealed: bytes | None = await self._store.command("HGET", self._place(reference), "sealed")
        if sealed is None:
            return None
        try:
            return self._sealing.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], reference.encode()).decode()
        except (InvalidTag, ValueError):
            raise Unavailable(
                "STORE_REFUSED", "the issuer's store holds a passcode that the issuer did not write; ask for another"
            ) from None

    def _sealed(self, reference: str, passcode: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._sealing.encrypt(nonce, passcode.encode(), reference.encode())

    def _place(self, reference: str) -> str:
        return f"issuer:{{{self._hmac(f'step-up {reference}')[:32]}}}:passcode"

    def _digest(self, reference: str, passcode: str) -> str:
        # Neither part can hold a space, so no two pairs make the same text.
        return self._hmac(f"passcode {reference} {passcode}")

    def _hmac(self, text: str) -> str:
        return hmac.digest(self._naming, text.encode(), "sha256").hex()
