"""How what a trace carries is said: fields, values, amounts, answers and faults, in words that any screen can show.

Anybody may send spans, so nothing is believed to be as cardnet writes it.
"""

import re
from collections.abc import Mapping

from cardnet.errors import InvalidField
from cardnet.money import Currency, Money
from cardnet.response_code import ResponseCode

LONGEST = 100
"""Characters of a value that are shown; services keep their fields shorter."""


def printable(text: str, longest: int = LONGEST) -> str:
    """The text without what a terminal or a page would obey, and cut where it is longer."""
    shown = text[: longest + 1]
    if not shown.isprintable():
        shown = "".join(letter if letter.isprintable() else "?" for letter in shown)
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def value(text: str) -> str:
    """Values of enumerations are written like words: CREDENTIAL_ON_FILE as "credential on file"."""
    return text.lower().replace("_", " ") if _CONSTANTS.fullmatch(text) else printable(text)


def field_value(name: str, text: str) -> str:
    """The value of a field by this name."""
    return printable(text) if name in _AS_WRITTEN else value(text)


def field_name(name: str, iso8583: int = 0) -> str:
    """ "DE22 entry mode" for `pos_entry_mode`."""
    number = f"DE{iso8583}" if iso8583 else ""
    return f"{number} {WORDS.get(name) or printable(name.replace('_', ' '))}".strip()


def control(name: str) -> str:
    """ "entry mode" for POS_ENTRY_MODE."""
    return _CONTROLS.get(name, value(name))


def amount(fields: Mapping[str, str]) -> str:
    """Amount and currency, such as "12.40 USD"; as they were recorded where they are not of cardnet's making."""
    minor, number = fields.get("amount_minor", ""), fields.get("currency", "")
    try:
        return str(Money(int(minor), Currency.of(number))) if _DIGITS.fullmatch(minor) else printable(minor)
    except InvalidField:
        return printable(f"{minor} {number}")


def answer(code: str) -> str:
    """Code and meaning: "51 insufficient funds"."""
    try:
        return f"{code} {ResponseCode(code).meaning}"
    except ValueError:
        return printable(code)


def approves(code: str) -> bool:
    """Whether this response code is an approval."""
    return code == ResponseCode.APPROVED


def fault(status: str) -> str:
    """What a gRPC status means to whoever looks at a trace."""
    return _FAULTS.get(status) or value(status)


def cause(status: str, switch: str, *, explained: bool, on: str = "") -> str:
    """Why a call failed. switch: what a fault switch did to it. explained: whether that is why. on: as below."""
    return f"a fault switch{f' on {on}' if on else ''}: {printable(switch)}" if explained else fault(status)


def disturbance(switch: str, on: str = "") -> str:
    """What a fault switch did to a call: "by a fault switch: the answer is lost". on: which call, if to be said."""
    return f"by {cause('', switch, explained=True, on=on)}" if switch else ""


_DIGITS = re.compile(r"[0-9]{1,12}")
_CONSTANTS = re.compile(r"[A-Z]{3,30}[A-Z_]{0,70}(, [A-Z_]{1,30}){0,20}")

_AS_WRITTEN = {
    *("auth_code", "rrn", "par", "pan_product_id", "merchant_id", "merchant_name"),
    *("idempotency_key", "payment_reference", "card_on_file_id", "token_reference_id"),
}
"""Fields that may be capitals by chance, and are no enumeration's."""

WORDS = {
    "response_code": "answer",
    "payment_token": "token",
    "pan": "PAN",
    "token_expiry": "expiry",
    "pan_expiry": "expiry",
    "amount_minor": "amount",
    "pos_entry_mode": "entry mode",
    "token_requestor_id": "TRID",
    "cryptogram": "cryptogram",
    "merchant_name": "merchant",
    "stan": "STAN",
    "rrn": "RRN",
    "refusal": "refused",
    "controls_passed": "checked",
    "on_behalf_of_validation": "on-behalf-of validation",
    "token_assurance_level": "assurance level",
    "pan_last_four": "last four",
    "pan_product_id": "product",
    "auth_code": "auth code",
    "par": "PAR",
}
"""What a field is called where its own name is long; the fields of a step stand in this order."""

_CONTROLS = {
    "TOKEN_REQUESTOR_ID": "TRID",
    "POS_ENTRY_MODE": "entry mode",
    "TOKEN_STATE": "state",
    "TOKEN_EXPIRY": "expiry",
}
"""What a control is called where its own name is long."""

_FAULTS = {
    "DEADLINE_EXCEEDED": "no answer in time",
    "UNAVAILABLE": "could not be reached, or could not answer",
    "INVALID_ARGUMENT": "refused as malformed",
    "INTERNAL": "an error inside the service; its log has more",
    "CANCELLED": "the caller went away",
}
