"""The wallet's own rules: what a shop asks for, which cards fit it, and what is told to the shop."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cardnet.card import CARD_RANGES
from cardnet.money import GREATEST_MINOR, Currency, Money
from cardnet.response_code import ResponseCode

CRYPTOGRAM_TYPE = "SIM-TAVV"
"""The one type of cryptogram that this network makes."""

LAST_DRAFT = "2018-10"
"""The last draft of W3C Tokenized Card Payment, whose extra members a shop may ask for."""

CLAIMS_LAST_S = 300
"""How long the claims that bind a card to a payment request are good, in seconds."""

MOST_CARDS = 20
"""What one wallet holds."""

_AMOUNT = re.compile(r"([0-9]{1,13})(?:\.([0-9]{1,10}))?")
_NICKNAME_DIGITS = 8
_NICKNAME_LENGTH = 32


class Usage(StrEnum):
    """What the shop will use the token for, in the document's words."""

    ONE_TIME = "one-time"
    CARD_ON_FILE = "card-on-file"
    RECURRING = "recurring"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What the wallet keeps of a card: neither its number nor its token's."""

    id: str
    token_reference_id: str
    last_four: str
    network: str
    type: str
    """credit, debit or prepaid."""
    nickname: str
    confirmed: bool = True
    """False while its bank waits for a passcode: nobody can pay with it until then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizedCardRequest:
    """What a shop asks for (TokenizedCardRequest), and two options of ours. Empty lists stand for all there is."""

    networks: tuple[str, ...]
    types: tuple[str, ...]
    cryptogram_types: tuple[str, ...]
    key_provider_url: str
    usage: Usage
    payee_id: str
    """Empty where the shop names none."""
    last_draft: bool
    """Whether it wants the members that the last draft added."""
    bound: bool
    """Whether it wants claims that bind the card to this payment request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentAsked:
    """One payment request as it reached the wallet."""

    card: TokenizedCardRequest
    total: Money
    top_origin: str
    """Whose page it is; without a slash at the end."""
    payment_request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Provided:
    """What the token service provider gave for one payment."""

    payment_token: str
    token_expiry: str
    """As YYMM, as `pan_expiry`."""
    cryptogram: str
    cryptogram_type: str
    token_requestor_id: str
    eci: str
    token_reference_id: str
    par: str
    pan_last_four: str
    pan_expiry: str
    card_network: str

    def __repr__(self) -> str:
        return f"<Provided ...{self.payment_token[-4:]}>"


def fits(card: Card, request: TokenizedCardRequest) -> bool:
    """Whether a card may be used for a request ("instrument supported")."""
    listed = _listed(card.network, request.networks) and _listed(card.type, request.types)
    return card.confirmed and listed and _listed(CRYPTOGRAM_TYPE, request.cryptogram_types)


def supported(networks: tuple[str, ...], types: tuple[str, ...], cryptogram_types: tuple[str, ...]) -> bool:
    """Whether a wallet may hold a card that fits. It says nothing of any person's: a shop may ask unseen."""
    kinds = {(range_.network, range_.type) for range_ in CARD_RANGES}
    fitting = any(_listed(network, networks) and _listed(type_, types) for network, type_ in kinds)
    return fitting and _listed(CRYPTOGRAM_TYPE, cryptogram_types)


def usage_of(asked: object) -> Usage:
    """What is asked for; whatever is no usage is a single one, as the document has it."""
    return next((usage for usage in Usage if usage == asked), Usage.ONE_TIME)


def amount_of(value: str, currency: Currency) -> Money | None:
    """An amount as payment requests write it ("12.5", "12.50"); None where the currency has no such amount."""
    found = _AMOUNT.fullmatch(value)
    if not found:
        return None
    decimals = (found[2] or "").rstrip("0")
    if len(decimals) > currency.exponent:
        return None
    minor = int(found[1] + decimals.ljust(currency.exponent, "0"))
    return Money(minor, currency) if 0 < minor <= GREATEST_MINOR else None


def nickname_fault(nickname: str) -> str | None:
    """The rule that a card's name breaks, or None. With so few digits it can hold no card number."""
    digits = sum(character.isnumeric() for character in nickname)
    named = bool(nickname.strip()) and nickname.isprintable() and len(nickname) <= _NICKNAME_LENGTH
    if named and digits <= _NICKNAME_DIGITS:
        return None
    return f"must be 1 to {_NICKNAME_LENGTH} characters, at most {_NICKNAME_DIGITS} of them digits"


def clear_part(provided: Provided, request: TokenizedCardRequest) -> dict[str, str]:
    """What the shop's page is told of the card: to show, not to pay with (TokenizedCardResponse)."""
    shown = {
        "displayLast4": provided.pan_last_four,
        "displayExpiryMonth": provided.pan_expiry[2:],
        "displayExpiryYear": f"20{provided.pan_expiry[:2]}",
        "displayNetwork": provided.card_network,
    }
    added = {"par": provided.par, "tokenReferenceID": provided.token_reference_id, "eci": provided.eci}
    return shown | {name: value for name, value in added.items() if value} if request.last_draft else shown


def claims(provided: Provided, asked: PaymentAsked, now: datetime, jti: str) -> dict[str, object]:
    """What only the payee may read (EncryptedTokenizedCard). jti: a name for this answer that no other has."""
    card: dict[str, object] = {
        "cardNumber": provided.payment_token,
        "expiryMonth": provided.token_expiry[2:],
        "expiryYear": f"20{provided.token_expiry[:2]}",
        "cryptogram": provided.cryptogram,
        "typeOfCryptogram": provided.cryptogram_type,
        "trid": provided.token_requestor_id,
    }
    if not asked.card.last_draft:  # which has it in the part that the page may read
        card["eci"] = provided.eci
    return card | _binding(asked, int(now.timestamp()), jti) if asked.card.bound else card


def refusal_notice(response_code: str) -> str:
    """What is told where no token was given. A code that this network does not know is a refusal like any other."""
    return _NOTICES.get(response_code, ResponseCode.DO_NOT_HONOUR.notice)


def adding_notice(response_code: str) -> str:
    """What is told where a card could not be added."""
    return _ADDING_NOTICES.get(response_code, "This card cannot be added. Please use another card.")


def passcode_notice(response_code: str) -> str:
    """What is told of a passcode that did not confirm a card."""
    return _PASSCODE_NOTICES.get(response_code, "The card was not confirmed. Please try again later.")


def _listed(value: str, given: tuple[str, ...]) -> bool:
    return not given or value in given


def _binding(asked: PaymentAsked, now_s: int, jti: str) -> dict[str, object]:
    value, _, currency = str(asked.total).partition(" ")  # a shop may write "9.5", and its payee reads "9.50" alone
    return {
        "paymentRequestId": asked.payment_request_id,
        "topOrigin": asked.top_origin,
        "total": {"currency": currency, "value": value},
        "iat": now_s,
        "exp": now_s + CLAIMS_LAST_S,
        "jti": jti,
    }


_NOTICES: Mapping[str, str] = {code.value: code.notice for code in ResponseCode if not code.approved} | {
    ResponseCode.NOT_PERMITTED_TO_CARD: "This wallet may not pay this shop: the shop's key is not registered.",
    ResponseCode.TOKEN_NOT_IN_USE: "This card cannot be used now. Please use another card.",
}
_ADDING_NOTICES: Mapping[str, str] = {
    ResponseCode.INVALID_CARD: "Your bank does not know this card. Please check number and expiry.",
    ResponseCode.EXPIRED_CARD: "This card has expired. Please use another card.",
    ResponseCode.DO_NOT_HONOUR: "Your bank did not confirm this card. Please use another card.",
    ResponseCode.ISSUER_UNAVAILABLE: "Your bank did not answer. Please try again later.",
}
_PASSCODE_NOTICES: Mapping[str, str] = {
    ResponseCode.PASSCODE_WRONG: "That passcode is wrong. Please try again.",
    ResponseCode.PASSCODE_TRIES_EXCEEDED: "There are no tries left. Please add the card again.",
    ResponseCode.EXPIRED_CARD: "That passcode is too old. Please add the card again.",
    ResponseCode.TOKEN_NOT_IN_USE: "This card waits for no passcode any more. Please add it again.",
}
