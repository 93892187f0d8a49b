"""What each kind of field refuses, one row for each cell of the table of bad input, and messages with nothing wrong.

The protos say which rule a field has; what a rule refuses, and in which words, stands here once more and literally.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from bad_origins import NO_BROWSER_TOKENS, NO_ORIGINS
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from cardnet.v1 import rule_pb2

PAN, TOKEN = "9999000000000012", "9999400000000014"
REAL_LOOKING = "4111111111111111"
GIVEN = "must be given"
_NUMBER, _LUHN = "must be 13 to 19 digits", "must end in a valid check digit"
_TEST_RANGE = "must be in a test range (99990000 to 99990099, 99991000 to 99991099): never use a real card here"
_NO_TOKEN = "must be a card number; this one is in a token range"
_TOKEN_RANGE = "must be in a token range (99994000 to 99994099, 99994100 to 99994199), not a card number"
_CURRENCY = "must be the ISO 4217 number of a currency this network knows"
_EXPIRY = "must be YYMM with a month from 01 to 12"
_CRYPTOGRAM = "must be 20 bytes as 28 characters of base64"
_AMOUNT, _BALANCE, _COUNT = (
    "must be from 1 to 999,999,999,999",
    "must be from 0 to 999,999,999,999",
    "must be from 0 to 999,999,999",
)
_TIME = "must be a date and time as MMDDhhmmss"
_ENUM = "must be one of the values that the enumeration defines"
_ORIGIN = "must be an origin: https://host or https://host:port, or http at this machine"
_KEY = "must be 1 to 64 printable ASCII characters, no spaces and no card number"


def disguised(number: str) -> list[str]:
    """Digits as isdigit, \\d, $, int() or a careless eye let them pass."""
    first, rest, last = number[0], number[1:], number[:-1]
    foreign = ["٣", "１", "𝟙", "²", "Ⅷ", "O", "+", "-", "\0", "\u200f", " ", "."]
    around = [
        f"{number}\n",
        f" {number}",
        f"{number} ",
        f"{number}\r\n",
        f"{last}\t",
        f"{first}_{number[2:]}",
        "9" * 5000,
    ]
    return [character + rest for character in foreign] + around


def _card_number(good: str) -> list[tuple[str, str]]:
    spaced = " ".join(good[at : at + 4] for at in range(0, 16, 4))
    lengths = [good[:12], good + "0000", "0" * 20, spaced, spaced.replace(" ", "-")]
    altered = good[:-1] + str((int(good[-1]) + 1) % 10)
    swapped = good[:14] + good[15] + good[14]
    return [(bad, _NUMBER) for bad in (*disguised(good), *lengths)] + [(altered, _LUHN), (swapped, _LUHN)]


def _all(sentence: str, *bad: Any) -> list[tuple[Any, str]]:
    return [(value, sentence) for value in bad]


def _digits(sentence: str, good: str) -> list[tuple[str, str]]:
    return _all(sentence, *disguised(good), good[:-1], good + "0", "x" * len(good))


BAD: dict[str, list[tuple[Any, str]]] = {
    "PAN": [
        *_card_number(PAN),
        (TOKEN, _NO_TOKEN),
        *_all(_TEST_RANGE, REAL_LOOKING, "378282246310005", "0000000000000000", "9999200000000000", "9999010000000003"),
    ],
    "PAYMENT_TOKEN": [*_card_number(TOKEN), *_all(_TOKEN_RANGE, PAN, REAL_LOOKING, "9999420000000004")],
    "EXPIRY": _all(_EXPIRY, "3000", "3013", "3099", *disguised("3011"), "301", "30111", "11/30", "30-1", "203011"),
    "TOKEN_REQUESTOR_ID": _digits("must be 11 digits", "00000000001"),
    "CRYPTOGRAM": _all(
        _CRYPTOGRAM,
        "A" * 27,  # without the padding
        "A" * 26 + "==",  # 19 bytes
        "A" * 28,  # 21 bytes
        "A" * 27 + "=\n",
        "A" * 26 + "B=",  # spare bits that are not 0: the same bytes in another spelling
        "-_" * 13 + "A=",  # base64url
        " " * 27 + "=",
        "Ａ" * 27 + "=",
        "00" * 20,  # hexadecimal
        "=" * 28,
    ),
    "AMOUNT": _all(_AMOUNT, -1, 10**12, 2**53 + 1, 2**63 - 1, -(2**63)),
    "CURRENCY": _all(_CURRENCY, "EUR", "eur", "000", "999", "97", "9780", *disguised("978")),
    "MERCHANT_ID": _all(
        "must be 1 to 15 letters, digits and spaces, and no card number",
        "9999000000012",
        "A" * 16,
        "SHOP\n",
        "SHOP\0",
        "SHÖP",
        "🛒",
        "A-1",
        "A{1}",
        "A:1",
    ),
    "MERCHANT_CATEGORY_CODE": _digits("must be 4 digits", "5732"),
    "ENUM": _all(_ENUM, 7777, -1, 2**31 - 1),
    "STAN": [*_digits("must be 6 digits, not all zero", "123456"), ("000000", "must be 6 digits, not all zero")],
    "RRN": _all(
        "must be 12 letters and digits",
        "6" * 11,
        "6" * 13,
        "60150900000-",
        "60150900000 ",
        "6015090000٣1",
        "6" * 12 + "\n",
    ),
    "TRANSMISSION_TIME": _all(
        _TIME,
        "0230120000",
        "0431120000",
        "0001120000",
        "1301120000",
        "0100120000",
        "0101240000",
        "0101126000",
        "0101120060",  # a leap second: not in field 7
        "2026-01-01T12:00:00Z",
        "010112000",
        "01011200000",
        *disguised("0101120000"),
    ),
    "PAR": _all("must be 29 capitals and digits", "a" * 29, "A" * 28, "A" * 30, "A" * 28 + "Ä", "A" * 29 + "\n"),
    "KEY": _all(
        _KEY, "k" * 65, "two words", "line\r\nbreak", "key\n", "esc\x1b[31m", "nul\0nul", "🔑🔑🔑", "schlüssel", "\x7f"
    ),
    "JWE": _all(
        "must be a compact JWE of at most 4,096 characters",
        "a" * 4097,
        "a.b.c.d.e=",
        "a b",
        "a.b.c.d.e\n",
        "é",
        '{"a":1}',
    ),
    "ACQUIRER_ID": _all("must be 1 to 11 digits", "9" * 12, "٣", "12-", "12\n", "bank-one"),
    "COUNTRY": _digits("must be 3 digits (ISO 3166-1)", "840"),
    "TEXT": _all(
        "must be 1 to 100 printable ASCII characters and no card number",
        "to 9999000000000012",
        "x" * 101,
        "line\nbreak",
        "esc\x1b[2J",
        "Café",
        "\u202eshop",
    ),
    "DOMAIN": _all(
        "must be a host name of 1 to 100 characters and no card number",
        "9999000000000012.example",
        "x" * 101,
        "Shop.example",
        "shop example",
        "shop|M1",
        "shöp",
        "x/y",
        "x\n",
    ),
    "ASSURANCE_LEVEL": _digits("must be 2 digits", "10"),
    "TRACE_ID": _all("must be 1 to 32 lower-case hexadecimal digits", "f" * 33, "ABCDEF", "xyz", "12 3", "*", "1234\n"),
    "BALANCE": _all(_BALANCE, -1, 10**12, 2**63 - 1, -(2**63)),
    "COUNT": _all(_COUNT, -1, 10**9, 2**31 - 1, -(2**31)),
    "PASSCODE": _digits("must be 6 digits", "135790"),
    "SECRET": _all(
        "must be 64 lower-case hexadecimal digits",
        *disguised("0" * 64),
        "0" * 63,
        "0" * 65,
        "A" * 64,
        "0x" + "0" * 62,
        "g" * 64,
    ),
    "URL": _all(
        "must be an http or https address of at most 200 characters and no card number",
        "ftp://shop.example/hook",
        "shop.example/hook",
        "//shop.example/hook",
        "https://",
        "HTTPS://shop.example/hook",
        "file:///etc/passwd",
        "https://shop.example/a b",
        "https://shop.example/hook\n",
        "https://shop.example/\r\nHost: other",
        "https://schöp.example/",
        "https://shop.example/?card=9999000000000012",
        f"https://{'x' * 193}",
    ),
    "IDENTITY": _all(
        "must be 1 to 32 of a-z, 0-9 and -",
        "x" * 33,
        "Merchant",
        "1merchant",
        "-merchant",
        "merchant ",
        "merchant\n",
        "merchant=",
        "merchant,operator",
        "mérchant",
    ),
    "SEALED": _all("must be at most 12,288 bytes", b"\0" * 12_289),
    "SERVICE_ID": _digits("must be 3 digits", "001"),
    "BROWSER_TOKEN": [(value, "must be 32 letters and digits") for value in NO_BROWSER_TOKENS],
    "ORIGIN": [(value, _ORIGIN) for value in NO_ORIGINS],
}
"""By rule: values that a field must refuse, each with what the refusal says. Absence is a case of its own: GIVEN."""

_GOOD: dict[str, Any] = {
    "PAN": PAN,
    "PAYMENT_TOKEN": TOKEN,
    "EXPIRY": "3011",
    "TOKEN_REQUESTOR_ID": "00000000001",
    "CRYPTOGRAM": "A" * 27 + "=",
    "AMOUNT": 1240,
    "CURRENCY": "840",
    "MERCHANT_ID": "MERCHANT0000001",
    "MERCHANT_CATEGORY_CODE": "5732",
    "ENUM": 1,
    "STAN": "123456",
    "RRN": "601509123456",
    "TRANSMISSION_TIME": "0229235959",
    "PAR": "A" * 29,
    "KEY": "key-1",
    "JWE": "a.b.c.d.e",
    "ACQUIRER_ID": "99990000001",
    "COUNTRY": "840",
    "TEXT": "Example Shop",
    "DOMAIN": "shop.example",
    "ASSURANCE_LEVEL": "10",
    "TRACE_ID": "0123abcd",
    "BALANCE": 0,
    "COUNT": 0,
    "PASSCODE": "135790",
    "SECRET": "0123456789abcdef" * 4,
    "URL": "https://shop.example/hook",
    "IDENTITY": "merchant",
    "SEALED": b"sealed",
    "BROWSER_TOKEN": "Ab1" * 10 + "cD",
    "SERVICE_ID": "001",
    "ORIGIN": "https://shop.example",
    "FLAG": True,
}


class Place(NamedTuple):
    """A field of a request, perhaps within messages within it."""

    path: str
    rule: str
    required: bool
    field: FieldDescriptor


def places(kind: Descriptor, above: str = "") -> Iterator[Place]:
    """Every field of a message type and of the messages within it."""
    for field in kind.fields:
        option = field.GetOptions().Extensions[rule_pb2.field]
        rule = rule_pb2.Rule.Name(option.rule).removeprefix("RULE_")
        yield Place(above + field.name, rule, option.required, field)
        if field.message_type:
            yield from places(field.message_type, f"{above}{field.name}.")


def good(kind: type[Message]) -> Message:
    """A message with every field filled as its rule wants it."""
    message = kind()
    for place in places(kind.DESCRIPTOR):
        if place.rule != "MESSAGE":
            put(message, place, _GOOD[place.rule])
    return message


def put(message: Any, place: Place, value: Any) -> None:
    """Set the field at a place, whatever its rule says to that."""
    *above, name = place.path.split(".")
    for step in above:
        message = getattr(message, step)
    if place.field.is_repeated:
        del getattr(message, name)[:]
        getattr(message, name).append(value)
    else:
        setattr(message, name, value)


def leave_out(message: Any, place: Place) -> None:
    """Clear the field at a place."""
    *above, name = place.path.split(".")
    for step in above:
        message = getattr(message, step)
    message.ClearField(name)
