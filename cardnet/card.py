"""Card numbers: PANs, Payment Tokens and the ranges that keep them apart (ISO/IEC 7812-1).

No number here can be a real card's: 9 is for national use and 999 is a country code that ISO 3166 leaves to users.
"""

import re
from dataclasses import dataclass
from typing import NoReturn

from cardnet.errors import InvalidField

_NUMBER = re.compile(r"[0-9]{13,19}")
_EXPIRY = re.compile(r"[0-9]{2}(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class CardRange:
    """The numbers that begin with one of the eight-digit BINs from `low` to `high`, of one issuer and product."""

    low: str
    high: str
    issuer: str
    product_id: str
    type: str
    """credit, debit or prepaid."""
    token_low: str
    token_high: str
    issuer_identity: str
    """The caller who may act on these cards, by its name in cardnet/identity.py: one processor for both issuers."""
    network: str = "cardnet"
    """The card network, by the identifier that payment requests give it: lower case, and no real network's."""


CARD_RANGES = (
    CardRange("99990000", "99990099", "issuer A", "SIMC1", "credit", "99994000", "99994099", "issuer"),
    CardRange("99991000", "99991099", "issuer B", "SIMD1", "debit", "99994100", "99994199", "issuer"),
)
"""Each range of cards and the range of tokens that stand for them, so that a token keeps the card's product."""


_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")
"""Each digit doubled, the digits of the double added up (ISO/IEC 7812-1 annex B)."""


def luhn_digit(digits: str) -> str:
    """The check digit that makes `digits` + it valid."""
    return str(-_luhn_sum(f"{digits}0") % 10)


def luhn_valid(number: str) -> bool:
    """Whether the last digit is the check digit of the others."""
    return _luhn_sum(number) % 10 == 0


def _luhn_sum(number: str) -> int:
    places = number.encode()[::-1]
    # ASCII digits begin at 48.
    return sum(places[::2]) + sum(places[1::2].translate(_DOUBLED)) - 48 * len(places)


def card_range(number: str) -> CardRange | None:
    """The range that a PAN belongs to, or None."""
    bin_ = number[:8]
    for range_ in CARD_RANGES:
        if range_.low <= bin_ <= range_.high:
            return range_
    return None


def token_range(number: str) -> CardRange | None:
    """The range whose tokens a Payment Token is one of, or None."""
    bin_ = number[:8]
    for range_ in CARD_RANGES:
        if range_.token_low <= bin_ <= range_.token_high:
            return range_
    return None


def pan_fault(digits: str) -> str | None:
    """The rule that a PAN breaks, or None."""
    fault = _number_fault(digits)
    if fault:
        return fault
    if token_range(digits):
        return "must be a card number; this one is in a token range"
    if not card_range(digits):
        return "must be in a test range (99990000 to 99990099, 99991000 to 99991099): never use a real card here"
    return None


def token_fault(digits: str) -> str | None:
    """The rule that a Payment Token breaks, or None."""
    fault = _number_fault(digits)
    if fault:
        return fault
    if not token_range(digits):
        return "must be in a token range (99994000 to 99994099, 99994100 to 99994199), not a card number"
    return None


# Thirteen digits or more, in one run or in the groups in which cards are printed.
_LONG = re.compile(r"[0-9]{13}|[0-9]{4}[ -][0-9]{4,6}[ -][0-9]{4,5}")
_GROUPED = re.compile(r"(?<=[0-9])[ -](?=[0-9]{4})")
_OURS = re.compile(r"9999[01]0[0-9]{7}")
# How the numbers of real networks begin and how long they are. They must stand alone: digits within a hexadecimal
# identifier are no card number.
_REAL = re.compile(
    r"(?<![0-9A-Za-z])(4[0-9]{12}(?:[0-9]{3})?|(?:5[1-5]|2[2-7]|35|6[05])[0-9]{14}|3[47][0-9]{13})(?![0-9A-Za-z])"
)


def holds_card_number(text: str) -> bool:
    """Whether a text holds a card number: one of our ranges, or one that may be somebody's real card."""
    if not _LONG.search(text):
        return False
    digits = _GROUPED.sub("", text)
    return bool(_OURS.search(digits)) or any(luhn_valid(found[1]) for found in _REAL.finditer(digits))


def _number_fault(digits: str) -> str | None:
    if not _NUMBER.fullmatch(digits):
        return "must be 13 to 19 digits"
    if not luhn_valid(digits):
        return "must end in a valid check digit"
    return None


class _Number:
    """Digits that never print themselves."""

    __slots__ = ("_digits",)

    def __init__(self, digits: str) -> None:
        self._digits = digits

    def reveal(self) -> str:
        """The digits in clear. Searching for this name finds every use."""
        return self._digits

    @property
    def last_four(self) -> str:
        """The last four digits, which may be shown."""
        return self._digits[-4:]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} ...{self.last_four}>"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._digits == self._digits

    def __hash__(self) -> int:
        return hash(self._digits)

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} is never pickled")


class Pan(_Number):
    """A primary account number: 13 to 19 digits of a test range, the last a Luhn check digit (ISO/IEC 7812-1)."""

    __slots__ = ()

    def __init__(self, digits: str) -> None:
        fault = pan_fault(digits)
        if fault:
            raise InvalidField("pan", fault)
        super().__init__(digits)

    @property
    def range(self) -> CardRange:
        """The range that the card belongs to."""
        found = card_range(self._digits)
        assert found is not None  # the constructor saw to it
        return found


class PaymentToken(_Number):
    """A Payment Token: the shape of a PAN, in a token range (EMVCo framework 2.3, table 1.3)."""

    __slots__ = ()

    def __init__(self, digits: str) -> None:
        fault = token_fault(digits)
        if fault:
            raise InvalidField("payment_token", fault)
        super().__init__(digits)


@dataclass(frozen=True, slots=True, order=True)
class Expiry:
    """The month at whose end a card or token expires. `str()` gives YYMM, as ISO 8583 field 14 carries it."""

    year: int
    month: int

    @classmethod
    def parse(cls, text: str) -> "Expiry":
        """Read YYMM; years are 2000 to 2099. InvalidField if it is no month."""
        if not _EXPIRY.fullmatch(text):
            raise InvalidField("expiry", "must be YYMM with a month from 01 to 12")
        return cls(2000 + int(text[:2]), int(text[2:]))

    def passed(self, year: int, month: int) -> bool:
        """Whether a card with this expiry is no good any more in the given month."""
        return (self.year, self.month) < (year, month)

    def __str__(self) -> str:
        return f"{self.year % 100:02}{self.month:02}"
