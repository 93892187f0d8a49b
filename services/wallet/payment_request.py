"""A payment request as the wallet's pages hand it on: JSON, read as browsers read dictionaries (Web IDL).

Members that nobody knows are passed over. A member of another type is refused, with its name and what would be right.
"""

from collections.abc import Mapping
from typing import Any

from cardnet.errors import InvalidField
from cardnet.money import Currency
from cardnet.origin import is_origin, origin_of
from cardnet.rules import RULES
from services.wallet.domain import LAST_DRAFT, PaymentAsked, TokenizedCardRequest, amount_of, usage_of

TYPES = ("credit", "debit", "prepaid")
"""The document's BasicCardType."""

_MOST_LISTED = 64
_MOST_CHARACTERS = 64


def read(body: object, identifier: str, key_origins: frozenset[str]) -> PaymentAsked:
    """A payment request, held to its rules. InvalidField names the member that breaks one.

    identifier: the wallet's payment method. key_origins: where the payees' keys may come from.
    """
    asked = _object(body, "request")
    total = _object(asked.get("total"), "total")
    currency, value = _text(total, "currency", within="total."), _text(total, "value", within="total.")
    money = amount_of(value, Currency.named(currency.upper()))
    if money is None:
        raise InvalidField("total.value", f"must be more than 0, and fit the decimals of {currency.upper()}")
    return PaymentAsked(
        card=_card_request(data_of(asked, identifier), key_origins),
        total=money,
        top_origin=_top_origin(asked),
        payment_request_id=_text(asked, "paymentRequestId", most=256),
    )


def data_of(asked: Mapping[str, Any], identifier: str) -> Mapping[str, Any]:
    """What is said to this wallet among all payment methods of a request. InvalidField where nothing is."""
    methods = asked.get("methodData")
    if not isinstance(methods, list):
        raise InvalidField("methodData", "must be a list of payment methods")
    for method in methods:
        if isinstance(method, dict) and method.get("supportedMethods") == identifier:
            return _object(method.get("data", {}), "data")
    raise InvalidField("methodData", f"must name {identifier}")


def listed(data: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """supportedNetworks, supportedTypes and supportedCryptogramTypes; empty for all."""
    types = _list(data, "supportedTypes")
    if not set(types) <= set(TYPES):
        raise InvalidField("supportedTypes", f"must be of {', '.join(TYPES)}")
    return _list(data, "supportedNetworks"), types, _list(data, "supportedCryptogramTypes")


def _card_request(data: Mapping[str, Any], key_origins: frozenset[str]) -> TokenizedCardRequest:
    networks, types, cryptogram_types = listed(data)
    draft = data.get("draft", "")
    if draft not in ("", LAST_DRAFT):
        raise InvalidField("draft", f"must be {LAST_DRAFT}, or left out")
    bound = data.get("bindToRequest", False)
    if not isinstance(bound, bool):
        raise InvalidField("bindToRequest", "must be true or false")
    return TokenizedCardRequest(
        networks=networks,
        types=types,
        cryptogram_types=cryptogram_types,
        key_provider_url=_key_provider_url(data, key_origins),
        usage=usage_of(data.get("usageType")),
        payee_id=_payee_id(data),
        last_draft=draft == LAST_DRAFT,
        bound=bound,
    )


def _key_provider_url(data: Mapping[str, Any], key_origins: frozenset[str]) -> str:
    url = _text(data, "keyProviderURL", most=200)
    fault = RULES["URL"].check(url)
    if fault:
        raise InvalidField("keyProviderURL", fault)
    if origin_of(url) not in key_origins:
        raise InvalidField("keyProviderURL", "must be at an origin that is registered with this wallet")
    return url


def _payee_id(data: Mapping[str, Any]) -> str:
    if "payeeID" not in data:
        return ""
    payee_id = _text(data, "payeeID")
    fault = RULES["MERCHANT_ID"].check(payee_id)
    if fault:
        raise InvalidField("payeeID", fault)
    return payee_id


def _top_origin(asked: Mapping[str, Any]) -> str:
    origin = _text(asked, "topOrigin", most=200).removesuffix("/")  # browsers tell it with a slash
    if not is_origin(origin):
        raise InvalidField("topOrigin", "must be an origin that browsers trust with a payment")
    return origin


def _object(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidField(name, "must be an object")
    return value


def _text(of: Mapping[str, Any], name: str, *, within: str = "", most: int = _MOST_CHARACTERS) -> str:
    value = of.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= most:
        raise InvalidField(f"{within}{name}", f"must be a text of 1 to {most} characters")
    if not _encodes(value):
        raise InvalidField(f"{within}{name}", "must be well-formed Unicode, with no half of a surrogate pair")
    return value


def _encodes(value: str) -> bool:
    """JSON may escape half a character ("\\ud800"), which no answer and no message can be written with."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _list(data: Mapping[str, Any], name: str) -> tuple[str, ...]:
    values = data.get(name, [])
    if not isinstance(values, list) or len(values) > _MOST_LISTED:
        raise InvalidField(name, f"must be a list of at most {_MOST_LISTED} texts")
    if not all(isinstance(value, str) and len(value) <= _MOST_CHARACTERS for value in values):
        raise InvalidField(name, f"must be a list of texts of at most {_MOST_CHARACTERS} characters")
    return tuple(values)
