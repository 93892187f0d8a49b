"""Amounts of money, exact, in minor units (ISO 4217)."""

import re
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from cardnet.errors import InvalidField

GREATEST_MINOR = 999_999_999_999
"""What twelve digits hold: ISO 8583 field 4."""


class _CurrencyData(NamedTuple):
    number: str
    exponent: int


class Currency(Enum):
    """A currency that the network knows: its ISO 4217 number and how many decimals its amounts have."""

    AUD = _CurrencyData("036", 2)
    BHD = _CurrencyData("048", 3)
    BRL = _CurrencyData("986", 2)
    CAD = _CurrencyData("124", 2)
    CHF = _CurrencyData("756", 2)
    CNY = _CurrencyData("156", 2)
    EUR = _CurrencyData("978", 2)
    GBP = _CurrencyData("826", 2)
    INR = _CurrencyData("356", 2)
    JPY = _CurrencyData("392", 0)
    KRW = _CurrencyData("410", 0)
    KWD = _CurrencyData("414", 3)
    NOK = _CurrencyData("578", 2)
    SGD = _CurrencyData("702", 2)
    USD = _CurrencyData("840", 2)

    @property
    def number(self) -> str:
        """The three digits that ISO 8583 field 49 carries."""
        return self.value.number

    @property
    def exponent(self) -> int:
        """How many decimals an amount has: 0 for JPY, 3 for KWD."""
        return self.value.exponent

    @classmethod
    def of(cls, number: str) -> "Currency":
        """The currency of an ISO 4217 number; InvalidField if the network does not know it."""
        try:
            return _BY_NUMBER[number]
        except KeyError:
            raise InvalidField("currency", "must be the ISO 4217 number of a known currency") from None

    @classmethod
    def named(cls, code: str) -> "Currency":
        """The currency of a three-letter code; InvalidField if the network does not know it."""
        try:
            return cls[code]
        except KeyError:
            raise InvalidField("currency", f"must be one of {', '.join(cls.__members__)}") from None


_BY_NUMBER = {currency.number: currency for currency in Currency}
CURRENCY_NUMBERS = frozenset(_BY_NUMBER)


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of one currency, in its minor units: Money(1240, USD) is 12.40 USD."""

    minor: int
    currency: Currency

    @classmethod
    def parse(cls, text: str) -> "Money":
        """Read "12.40 EUR" or "1000 JPY". InvalidField if the decimals are not the currency's or it does not fit."""
        amount, _, code = text.partition(" ")
        currency = Currency.named(code)
        if amount.startswith("-"):
            raise InvalidField("amount", "must be more than 0")
        if not re.fullmatch(_pattern(currency.exponent), amount):
            raise InvalidField("amount", f"must have {currency.exponent} decimals in {currency.name}")
        minor = int(amount.replace(".", ""))
        if minor > GREATEST_MINOR:
            raise InvalidField("amount", "must be at most 12 digits in minor units")
        return cls(minor, currency)

    def __str__(self) -> str:
        exponent = self.currency.exponent
        if exponent == 0:
            return f"{self.minor} {self.currency.name}"
        digits = str(self.minor).rjust(exponent + 1, "0")
        return f"{digits[:-exponent]}.{digits[-exponent:]} {self.currency.name}"


def _pattern(exponent: int) -> str:
    decimals = rf"\.[0-9]{{{exponent}}}" if exponent else ""
    return rf"[0-9]{{1,13}}{decimals}"
