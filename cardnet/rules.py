"""What each kind of field is held to, stated once, and how a value of that kind may be shown.

The protos name a rule for every field (protos/cardnet/v1/rule.proto); `cardnet/messages.py` applies it at every border.
A check gets a value that is not empty and returns the rule that it breaks, or None. Patterns are ASCII, matched whole:
`\\d`, `$` and `str.isdigit` let other scripts' digits and trailing newlines through.
"""

import re
from collections.abc import Callable
from datetime import date
from typing import Any, NamedTuple

from cardnet.card import holds_card_number, pan_fault, token_fault
from cardnet.money import CURRENCY_NUMBERS, GREATEST_MINOR
from cardnet.origin import is_origin

Check = Callable[[Any], str | None]
Shown = Callable[[Any], str]


LAST_FOUR = 4
"""So many of a number's digits anybody may read."""

MOST_SEALED_BYTES = 12 * 1024
"""A message has room for so much beside what else it says."""


class Rule(NamedTuple):
    """A kind of field: what its values are held to, how they are shown, and whether they are secret."""

    check: Check
    shown: Shown = str
    secret: bool = False
    clear: int = 0
    """How many of a secret's last characters anybody may read."""


def masked(number: str) -> str:
    """A PAN or token as it may be shown: the last four digits alone."""
    return f"••••{number[-LAST_FOUR:]}"


def _hidden(_value: str) -> str:
    return "present"


def _matches(pattern: str, sentence: str) -> Check:
    compiled = re.compile(pattern)
    return lambda value: None if compiled.fullmatch(value) else sentence


def _words(pattern: str, sentence: str) -> Check:
    """What people choose freely is kept, shown and sent in clear, and may hold a card number by mistake."""
    fits, rule = re.compile(pattern).fullmatch, f"{sentence} and no card number"
    return lambda value: None if fits(value) and not holds_card_number(value) else rule


def _between(least: int, greatest: int) -> Check:
    return lambda value: None if least <= value <= greatest else f"must be from {least} to {greatest:,}"


# Base64 has two spare bits in the last character before the padding: only the spelling in which they are 0 is taken.
_CRYPTOGRAM = r"[A-Za-z0-9+/]{26}[AEIMQUYcgkosw048]="


_TRANSMISSION_TIME = re.compile(r"(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])([01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]")


def _transmission_time(value: str) -> str | None:
    sentence = "must be a date and time as MMDDhhmmss"
    if not _TRANSMISSION_TIME.fullmatch(value):
        return sentence
    try:
        date(2000, int(value[:2]), int(value[2:4]))  # a leap year: 29 February may be meant
    except ValueError:
        return sentence
    return None


def _currency(value: str) -> str | None:
    return None if value in CURRENCY_NUMBERS else "must be the ISO 4217 number of a currency this network knows"


def _origin(value: str) -> str | None:
    return None if is_origin(value) else "must be an origin: https://host or https://host:port, or http at this machine"


def _sealed(value: bytes) -> str | None:
    return None if len(value) <= MOST_SEALED_BYTES else f"must be at most {MOST_SEALED_BYTES:,} bytes"


def _anything(_value: object) -> None:
    return None


_KEY = _words(r"[!-~]{1,64}", "must be 1 to 64 printable ASCII characters, no spaces")

RULES = {
    "PAN": Rule(pan_fault, masked, secret=True, clear=LAST_FOUR),
    "PAYMENT_TOKEN": Rule(token_fault, masked, secret=True, clear=LAST_FOUR),
    "EXPIRY": Rule(_matches(r"[0-9]{2}(0[1-9]|1[0-2])", "must be YYMM with a month from 01 to 12")),
    "TOKEN_REQUESTOR_ID": Rule(_matches(r"[0-9]{11}", "must be 11 digits")),
    "CRYPTOGRAM": Rule(_matches(_CRYPTOGRAM, "must be 20 bytes as 28 characters of base64"), _hidden, secret=True),
    "AMOUNT": Rule(_between(1, GREATEST_MINOR)),
    "CURRENCY": Rule(_currency),
    "MERCHANT_ID": Rule(_words(r"[A-Za-z0-9 ]{1,15}", "must be 1 to 15 letters, digits and spaces,")),
    "MERCHANT_CATEGORY_CODE": Rule(_matches(r"[0-9]{4}", "must be 4 digits")),
    "ENUM": Rule(_anything),  # messages.py asks the enumeration itself
    "STAN": Rule(_matches(r"(?!000000)[0-9]{6}", "must be 6 digits, not all zero")),
    "RRN": Rule(_matches(r"[A-Za-z0-9]{12}", "must be 12 letters and digits")),
    "TRANSMISSION_TIME": Rule(_transmission_time),
    "PAR": Rule(_matches(r"[A-Z0-9]{29}", "must be 29 capitals and digits")),
    "KEY": Rule(_KEY),
    "JWE": Rule(
        _matches(r"[A-Za-z0-9_.-]{1,4096}", "must be a compact JWE of at most 4,096 characters"), _hidden, secret=True
    ),
    "RESPONSE_CODE": Rule(_matches(r"[A-Z0-9]{2}", "must be 2 capitals or digits")),
    "AUTH_CODE": Rule(_matches(r"[A-Z0-9]{6}", "must be 6 capitals and digits")),
    "ACQUIRER_ID": Rule(_matches(r"[0-9]{1,11}", "must be 1 to 11 digits")),
    "COUNTRY": Rule(_matches(r"[0-9]{3}", "must be 3 digits (ISO 3166-1)")),
    "TEXT": Rule(_words(r"[ -~]{1,100}", "must be 1 to 100 printable ASCII characters")),
    "DOMAIN": Rule(_words(r"[a-z0-9.-]{1,100}", "must be a host name of 1 to 100 characters")),
    "LAST_FOUR": Rule(_matches(r"[0-9]{4}", "must be 4 digits")),
    "ASSURANCE_LEVEL": Rule(_matches(r"[0-9]{2}", "must be 2 digits")),
    "FLAG": Rule(_anything, lambda value: "yes" if value else "no"),
    "MESSAGE": Rule(_anything),  # its fields carry the rules
    "TRACE_ID": Rule(_matches(r"[0-9a-f]{1,32}", "must be 1 to 32 lower-case hexadecimal digits")),
    "BALANCE": Rule(_between(0, GREATEST_MINOR)),
    "PUBLIC_KEY": Rule(_matches(r"[ -~\n]{1,4096}", "must be a PEM document of at most 4,096 characters")),
    "COUNT": Rule(_between(0, 999_999_999)),
    "DOCUMENT": Rule(lambda value: None if len(value) <= 1_048_576 else "must be at most 1 MiB"),
    "ECI": Rule(_matches(r"[0-9]{2}", "must be 2 digits")),
    "PASSCODE": Rule(_matches(r"[0-9]{6}", "must be 6 digits"), _hidden, secret=True),
    "TIMESTAMP": Rule(_matches(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", "must be a time in UTC")),
    "URL": Rule(_words(r"https?://[!-~]{1,192}", "must be an http or https address of at most 200 characters")),
    "SECRET": Rule(_matches(r"[0-9a-f]{64}", "must be 64 lower-case hexadecimal digits"), _hidden, secret=True),
    "IDENTITY": Rule(_matches(r"[a-z][a-z0-9-]{0,31}", "must be 1 to 32 of a-z, 0-9 and -")),
    "SEALED": Rule(_sealed, lambda value: f"{len(value)} bytes", secret=True),
    "BROWSER_TOKEN": Rule(_matches(r"[A-Za-z0-9]{32}", "must be 32 letters and digits"), _hidden, secret=True),
    "SERVICE_ID": Rule(_matches(r"[0-9]{3}", "must be 3 digits")),
    "ORIGIN": Rule(_origin),
    "CARD_NETWORK": Rule(_matches(r"[a-z0-9-]{1,32}", "must be 1 to 32 of a-z, 0-9 and -")),
}
"""Every rule by the name that the protos give it, less the prefix RULE_."""
