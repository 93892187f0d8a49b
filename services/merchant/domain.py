"""The shop's own rules: how a card stands on file, how it is presented, and what the customer is told."""

import hashlib
from dataclasses import dataclass

from cardnet.card import Expiry, PaymentToken
from cardnet.response_code import ResponseCode

CREDENTIAL_ON_FILE, ECOMMERCE = 10, 81
"""POS entry modes as ISO 8583 field 22 begins with them: the shop kept the credential, or plain electronic commerce."""


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
    """The POS entry modes in the token's domain."""


def card_on_file_id(customer_id: str, token_reference_id: str) -> str:
    """Names a customer's card on file: the same for the same card, however often it is saved."""
    # Neither part can hold a space, so no two pairs make the same text.
    return f"card-{hashlib.sha256(f'{customer_id} {token_reference_id}'.encode()).hexdigest()[:24]}"


def entry_mode(card: CardOnFile | None, *, begun_by_shop: bool) -> int:
    """How a payment's token came to the point of sale; `card` is None where the caller brought the token data.

    A credential on file is called so where the token's domain agrees to it. Both modes say e-commerce (EMVCo, step 2).
    Where the shop begins the payment there is no customer at its site: only the credential that it kept.
    """
    if begun_by_shop:
        return CREDENTIAL_ON_FILE
    return CREDENTIAL_ON_FILE if card and CREDENTIAL_ON_FILE in card.entry_modes else ECOMMERCE


def source_fault(*, card_on_file_id: bool, token_data: bool) -> str | None:
    """The rule that a checkout breaks by what it brings to pay with, or None. True stands for what it brings."""
    if card_on_file_id and token_data:
        return "must be left out where token_data is given"
    if not card_on_file_id and not token_data:
        return "must be given, or token_data in its place"
    return None


def original_fault(*, original_rrn: bool, card_on_file_id: bool) -> str | None:
    """The rule that a checkout breaks by naming an original payment, or None. True stands for what it brings."""
    if original_rrn and not card_on_file_id:
        return "must be left out where token_data is given, which has an original_rrn of its own"
    return None


def payment_notice(response_code: str) -> str:
    """What the customer is told of a payment. A code that this network does not know is no approval."""
    return _PAYMENT_NOTICES.get(response_code, ResponseCode.DO_NOT_HONOUR.notice)


def saving_notice(response_code: str, *, passcode_sent: bool = False) -> str:
    """What the customer is told of a card that was to be saved. passcode_sent: by its bank, and it waits for that."""
    if passcode_sent and response_code == ResponseCode.APPROVED:
        return "The card is saved. Your bank sent you a passcode: please enter it, so that the card can be used."
    return _SAVING_NOTICES.get(response_code, "The card was not saved. Please use another card.")


def confirming_notice(response_code: str) -> str:
    """What the customer is told of a passcode that they entered."""
    return _CONFIRMING_NOTICES.get(response_code, "The card was not confirmed. Please try again later.")


_PAYMENT_NOTICES = {code.value: code.notice for code in ResponseCode}

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
