"""What browsers send when somebody pays, read with care: a card number in it is refused before anything else."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl

from starlette.requests import Request

from cardnet.card import holds_card_number
from cardnet.errors import InvalidField

Usage = Literal["one-time", "card-on-file", "recurring"]

_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"
_MOST_FIELDS = 20


@dataclass(frozen=True, slots=True)
class Wish:
    """What a customer asks for: a product, under an order's key, paid by exactly one means."""

    product: str
    order_key: str
    card_on_file: str = ""
    browser_token: str = ""
    details: str = ""
    """A wallet's encryptedDetails."""
    usage: str = ""
    """The usageType for which the wallet was asked."""
    payment_request_id: str = ""
    keep: bool = False
    """Whether the card is to be kept for the next time."""


async def read(request: Request) -> Mapping[str, Any]:
    """The fields of a request's body, JSON or a form. InvalidField where it is neither, or holds a card number."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    fields = _fields(kind, body)
    texts = (request.url.query, body.decode("utf-8", "replace"), *_texts(fields))
    if any(holds_card_number(text) for text in texts):
        raise InvalidField("body", "must hold no card number: a card goes to the token service and never to this shop")
    return fields


async def read_wish(request: Request) -> Wish:
    """The wish that a request brings. InvalidField names what is wrong with it."""
    fields = await read(request)
    wallet = fields.get("tokenizedCard") or {}
    if not isinstance(wallet, dict):
        raise InvalidField("tokenizedCard", "must be an object")
    wish = Wish(
        product=_text(fields, "product"),
        order_key=_text(fields, "orderKey"),
        card_on_file=_text(fields, "cardOnFile"),
        browser_token=_text(fields, "browserToken"),
        details=_text(wallet, "encryptedDetails"),
        usage=_text(wallet, "usage"),
        payment_request_id=_text(wallet, "paymentRequestId"),
        keep=fields.get("keep") is True,
    )
    if sum(map(bool, (wish.card_on_file, wish.browser_token, wish.details))) != 1:
        raise InvalidField("cardOnFile", "must be chosen, or else a new card or a wallet's, and not two of them")
    return wish


def _fields(kind: str, body: bytes) -> dict[str, Any]:
    try:
        if kind == _JSON:
            fields = json.loads(body)
            if isinstance(fields, dict):
                return fields
        elif kind == _FORM:
            pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
            return dict(pairs)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        pass
    raise InvalidField("body", f"must be an object of {_JSON}, or {_FORM}")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield str(name)
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    else:
        yield str(value)


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str):
        raise InvalidField(name, "must be text")
    try:
        value.encode()
    except UnicodeEncodeError:  # JSON can hold half of a surrogate pair, and nothing behind this page can
        raise InvalidField(name, "must be text") from None
    return value
