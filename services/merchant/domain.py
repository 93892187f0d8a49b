"""The shop's own rules: how a card stands on file, how it is presented, and what the customer is told."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from cardnet.card import Expiry, PaymentToken
from cardnet.response_code import ResponseCode

CREDENTIAL_ON_FILE, ECOMMERCE = 10, 81
"""POS entry modes as ISO 8583 field 22 begins with them: the shop kept the credential, or plain electronic commerce."""

_OTHER_SOURCES = "token_data, browser_card or tokenized_card"
SOURCES = ("card_on_file_id", "token_data", "browser_card", "tokenized_card")
"""What an order may be paid with, by its fields: exactly one."""


class Usage(IntEnum):
    """What a token is used for. The numbers are those of protos/cardnet/v1/token.proto; a test proves it."""

    ONE_TIME = 1
    CARD_ON_FILE = 2
    RECURRING = 3


class RequestorIds(NamedTuple):
    """What the token service provider calls the shop: one identifier for each use that it makes of tokens."""

    one_time: str
    card_on_file: str
    recurring: str

    def of(self, usage: Usage) -> str:
        """The identifier for one use."""
        return self[usage - 1]

    def from_wallet(self, usage: Usage) -> str:
        """The identifier of the tokens that wallets give for a usageType: with what is kept the shop may begin, too."""
        return self.one_time if usage is Usage.ONE_TIME else self.recurring


class Violation(NamedTuple):
    """A rule that an order breaks, and the field to mend."""

    field: str
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CardOnFile:
    """A card as the shop keeps it: a token in the PAN's place."""

    token: PaymentToken
    token_expiry: Expiry
    """The token's own, not the card's."""
    token_requestor_id: str
    token_reference_id: str
    par: str
    pan_last_four: str
    """Of the card itself, for its holder to recognise it."""
    entry_modes: frozenset[int]
    """The POS entry modes in the token's domain; empty where the shop was not told."""
    usage: Usage = Usage.CARD_ON_FILE
    agreement_rrn: str = ""
    """For recurring payments: the customer's own payment, by which they agreed to the others. It pays for no more."""


def card_on_file_id(customer_id: str, token_reference_id: str) -> str:
    """Names a customer's card on file: the same for the same card, however often it is saved."""
    # Neither part can hold a space, so no two pairs make the same text.
    return f"card-{hashlib.sha256(f'{customer_id} {token_reference_id}'.encode()).hexdigest()[:24]}"


def entry_mode(card: CardOnFile | None, *, begun_by_shop: bool) -> int:
    """How a payment's token came to the point of sale; `card` is None where it is not one that the shop has on file.

    A credential on file is called so where the token's domain agrees to it. Both modes say e-commerce (EMVCo, step 2).
    Where the shop begins the payment there is no customer at its site: only the credential that it kept.
    """
    if begun_by_shop:
        return CREDENTIAL_ON_FILE
    return CREDENTIAL_ON_FILE if card and CREDENTIAL_ON_FILE in card.entry_modes else ECOMMERCE


def name_on_file(customer_id: str, card: CardOnFile) -> str:
    """Names a card that was kept after a payment. One card may stand for several agreements; each has a name."""
    return card_on_file_id(customer_id, f"{card.token_reference_id}{card.agreement_rrn}")


def source_fault(given: Sequence[str]) -> Violation | None:
    """What is wrong with what a checkout brings to pay with, or None. given: the fields that it fills."""
    if len(given) > 1:
        return Violation(given[0], f"must be left out where {given[1]} is given")
    if not given:
        return Violation("card_on_file_id", f"must be given, or {_OTHER_SOURCES} in its place")
    return None


def original_fault(source: str, original_rrn: str) -> Violation | None:
    """What is wrong with naming an original payment, or None. source: the field that says what is paid with."""
    if original_rrn and source == "token_data":
        return Violation(
            "original_rrn", "must be left out where token_data is given, which has an original_rrn of its own"
        )
    if original_rrn and source != "card_on_file_id":
        return Violation("original_rrn", f"must be left out where {source} is given: there the customer pays")
    return None


def saving_fault(source: str, save_for_customer_id: str, usage: Usage) -> Violation | None:
    """What is wrong with having the card put on file, or None. usage: of the tokenized card, if that is the source."""
    if save_for_customer_id and source not in ("browser_card", "tokenized_card"):
        return Violation("save_for_customer_id", f"must be left out where {source} is given")
    if save_for_customer_id and source == "tokenized_card" and usage is Usage.ONE_TIME:
        return Violation("save_for_customer_id", "must be left out where the tokenized card's usage is to pay once")
    return None


def agreement_fault(card: CardOnFile, original_rrn: str) -> Violation | None:
    """What is wrong with paying by a card on file, or None: one for recurring payments serves its agreement alone."""
    if card.usage is Usage.RECURRING and original_rrn != card.agreement_rrn:
        return Violation("original_rrn", "must be the rrn of the first payment: accepted only for its agreement")
    return None


def payment_notice(response_code: str) -> str:
    """What the customer is told of a payment. A code that this network does not know is no approval."""
    return _PAYMENT_NOTICES.get(response_code, ResponseCode.DO_NOT_HONOUR.notice)


def typing_notice(response_code: str) -> str:
    """What the customer is told where the card that they typed into the page gave no token."""
    return _TYPING_NOTICES.get(response_code, payment_notice(response_code))


def saving_notice(response_code: str, *, passcode_sent: bool = False) -> str:
    """What the customer is told of a card that was to be saved. passcode_sent: by its bank, and it waits for that."""
    if passcode_sent and response_code == ResponseCode.APPROVED:
        return "The card is saved. Your bank sent you a passcode: please enter it, so that the card can be used."
    return _SAVING_NOTICES.get(response_code, "The card was not saved. Please use another card.")


def confirming_notice(response_code: str) -> str:
    """What the customer is told of a passcode that they entered."""
    return _CONFIRMING_NOTICES.get(response_code, "The card was not confirmed. Please try again later.")


_PAYMENT_NOTICES = {code.value: code.notice for code in ResponseCode}

_AGAIN = "Please type the card again."
_TYPING_NOTICES: dict[str, str] = {
    ResponseCode.INVALID_CARD: f"Nothing was charged: the card is not known. {_AGAIN}",
    ResponseCode.EXPIRED_CARD: f"The card details have expired on this page, or the card itself has. {_AGAIN}",
    ResponseCode.NOT_PERMITTED_TO_CARD: f"Nothing was charged: this page may not use these card details. {_AGAIN}",
    ResponseCode.USAGE_EXHAUSTED: f"Nothing was charged: these card details have been used before. {_AGAIN}",
    ResponseCode.TOKEN_NOT_IN_USE: "Nothing was charged: your bank must confirm this card first. Please use another.",
}

_ASK_YOUR_BANK = "The card was not saved: it cannot be used now. Please ask your bank."
_TRY_AGAIN = "The card was not saved: your bank could not be asked. Please try again later."
_SAVING_NOTICES: dict[str, str] = {
    ResponseCode.APPROVED: "The card is saved.",
    ResponseCode.INVALID_CARD: "The card was not saved: it is not known. Please check its number.",
    ResponseCode.NO_SUCH_ISSUER: "The card was not saved: it is not known. Please check its number.",
    ResponseCode.EXPIRED_CARD: "The card was not saved: it has expired, or the date is not the card's.",
    ResponseCode.LOST_CARD: _ASK_YOUR_BANK,
    ResponseCode.STOLEN_CARD: _ASK_YOUR_BANK,
    ResponseCode.RESTRICTED_CARD: _ASK_YOUR_BANK,
    ResponseCode.ISSUER_UNAVAILABLE: _TRY_AGAIN,
    ResponseCode.SYSTEM_MALFUNCTION: _TRY_AGAIN,
}

_CONFIRMING_NOTICES: dict[str, str] = {
    ResponseCode.APPROVED: "Thank you. The card is confirmed.",
    ResponseCode.PASSCODE_WRONG: "The card was not confirmed: the passcode is wrong. Please try again.",
    ResponseCode.PASSCODE_TRIES_EXCEEDED: "The card was not confirmed: too many tries. Please save it again.",
    ResponseCode.EXPIRED_CARD: "The card was not confirmed: the passcode is too old. Please save it again.",
    ResponseCode.INVALID_CARD: "The card was not confirmed: it is not known any more. Please save it again.",
    ResponseCode.TOKEN_NOT_IN_USE: "The card was not confirmed: it does not wait for a passcode.",
}
