"""What was done with tokens: which transaction used which token, and which card that was then.

The card may be replaced and the token deleted afterwards: a reversal, a refund or a chargeback still finds both here
(EMVCo framework 2.3, section 10.13). An entry is a fingerprint, by which a repeat is known from a transaction of
the same name, the ATC of its cryptogram, and token and PAN sealed.
"""

from typing import NamedTuple

from cardnet.card import Expiry, Pan, PaymentToken
from services.tsp.keys import KeySet
from services.tsp.sealing import damaged

_FINGERPRINT, _ATC, _KEY = 32, 5, 4


class Past(NamedTuple):
    """A transaction that was admitted: what it was made with."""

    token: PaymentToken
    pan: Pan
    pan_expiry: Expiry


def written(keys: KeySet, reference: str, transaction: str, fingerprint: str, atc: int | None, past: Past) -> bytes:
    """An entry for the history. fingerprint: of the transaction's body. atc: None without a cryptogram."""
    facts = f"{fingerprint}{atc or 0:0{_ATC}}".encode()
    return facts + _sealed(keys, _numbers(past), _beside(reference, transaction, facts))


def read(keys: KeySet, reference: str, transaction: str, entry: bytes) -> Past:
    """What an entry of the history says. Unavailable unless it is as this vault wrote it, in this place."""
    number, sealed = key_of(entry), entry[_FINGERPRINT + _ATC + _KEY :]
    facts = entry[: _FINGERPRINT + _ATC]
    numbers = keys.unseal_history(number, sealed, _beside(reference, transaction, facts)).decode()
    return Past(PaymentToken(numbers[:20].rstrip()), Pan(numbers[20:40].rstrip()), Expiry.parse(numbers[40:]))


def key_of(entry: bytes) -> int:
    """The number of the key that sealed an entry."""
    try:
        return int(entry[_FINGERPRINT + _ATC :][:_KEY])
    except ValueError:
        raise damaged() from None


def resealed(keys: KeySet, reference: str, transaction: str, entry: bytes) -> bytes:
    """The same entry under the present key; its fingerprint stays that of the key of its time."""
    past, facts = read(keys, reference, transaction, entry), entry[: _FINGERPRINT + _ATC]
    return facts + _sealed(keys, _numbers(past), _beside(reference, transaction, facts))


def is_transaction(field: bytes) -> bool:
    """Whether a field of the history is a transaction's, and not a mark."""
    return not field.startswith((b"reversed:", b"rrn:"))


def _numbers(past: Past) -> bytes:
    return f"{past.token.reveal():<20}{past.pan.reveal():<20}{past.pan_expiry}".encode()


def _sealed(keys: KeySet, numbers: bytes, beside: bytes) -> bytes:
    number, sealed = keys.seal_history(numbers, beside)
    return f"{number:0{_KEY}}".encode() + sealed


def _beside(reference: str, transaction: str, facts: bytes) -> bytes:
    """What an entry is bound to: its place, and its fingerprint and ATC."""
    return f"cardnet.history.v1|{reference}|{transaction}|".encode() + facts
