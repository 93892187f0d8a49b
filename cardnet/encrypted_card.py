"""A card on its way from the cardholder to the token service provider: a JWE that nobody between them can read.

In it (cardnet/envelope.py) is {"pan": "13 to 19 digits", "pan_expiry": "YYMM"}; where a page made it, perhaps with a
"security_code" beside.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from joserfc.jwk import RSAKey

from cardnet import envelope
from cardnet.card import Expiry, Pan, card_range, luhn_valid
from cardnet.errors import InvalidField

_NUMBER = re.compile(r"[0-9]{13,19}")

_NOT_OURS = (InvalidField, *envelope.NOT_OF_THE_PROFILE)
_UNREADABLE = "must be a card encrypted to this token service's key: a compact JWE with RSA-OAEP-256 and A256GCM"
_REAL_CARD = "must hold a card of the test ranges, which begin with 9999: never use a real card here"


class TypedCard(NamedTuple):
    """A card as somebody typed it in a page: nothing of it was judged yet. Never printed."""

    pan: str
    pan_expiry: str
    security_code: str = ""

    def __repr__(self) -> str:
        return "<TypedCard>"


def encrypt(pan: str, pan_expiry: str, key_id: str, public_key: str, security_code: str = "") -> str:
    """The cardholder's side: a card as it was typed, as a compact JWE. The TSP alone will judge it.

    pan_expiry: YYMM. key_id, public_key (PEM): what GetEncryptionKey answers. security_code: for a page's card alone.
    """
    code = {"security_code": security_code} if security_code else {}
    return envelope.seal({"pan": pan, "pan_expiry": pan_expiry} | code, key_id, RSAKey.import_key(public_key))


def decrypt(encrypted: str, keys: Mapping[str, RSAKey]) -> tuple[Pan, Expiry]:
    """The TSP's side: the card in a JWE. keys: private keys by their identifiers.

    Raises InvalidField, which never says what was wrong: that would help only who guesses. One thing it does say, for
    the sake of whoever typed it: that a card outside the test ranges has no business here.
    """
    try:
        digits, expiry, code = _opened(encrypted, keys)
        if code:
            raise ValueError  # a card on file has none: it must never be kept
        if not _may_be_real(digits):
            return Pan(digits), Expiry.parse(expiry)
    except _NOT_OURS:
        raise InvalidField("encrypted_card", _UNREADABLE) from None
    raise InvalidField("encrypted_card", _REAL_CARD)


def decrypt_typed(encrypted: str, keys: Mapping[str, RSAKey]) -> TypedCard:
    """The TSP's side of a page's card: as it was typed, for the TSP to say which member is wrong.

    That helps nobody who guesses: only who typed the card could encrypt it. Raises InvalidField where it is no JWE of
    our profile, as `decrypt` does.
    """
    try:
        return _opened(encrypted, keys)
    except _NOT_OURS:
        raise InvalidField("encrypted_card", _UNREADABLE) from None


def _opened(encrypted: str, keys: Mapping[str, RSAKey]) -> TypedCard:
    """The members as they were written. One of several errors where anything is not of our profile."""
    match envelope.open_with(encrypted, keys[envelope.key_id_of(encrypted)]):
        case {"pan": str(digits), "pan_expiry": str(expiry), **others}:
            match others:
                case {"security_code": str(code), **more} if code and not more:
                    return TypedCard(digits, expiry, code)
                case _ if not others:
                    return TypedCard(digits, expiry)
    raise ValueError


def _may_be_real(digits: str) -> bool:
    return bool(_NUMBER.fullmatch(digits)) and luhn_valid(digits) and card_range(digits) is None
