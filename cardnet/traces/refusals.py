"""What each refusal of step 4 means: the check that it belongs to, the field that was looked at, and a sentence."""

from typing import NamedTuple


class Refused(NamedTuple):
    """A refusal of the token service provider's."""

    control: str
    """The check that was not passed, as the protos' Control has it."""
    field: str
    """What it looked at, by the protos' name; empty where no single field is it."""
    sentence: str
    """What was found, with names of fields in braces."""


CONTROLS = (
    "TOKEN",
    "TOKEN_REQUESTOR_ID",
    "MERCHANT",
    "POS_ENTRY_MODE",
    "INITIATOR",
    "TOKEN_STATE",
    "TOKEN_EXPIRY",
    "CRYPTOGRAM",
    "USAGE",
)
"""The checks in the order in which they are made, by the names of the protos' Control."""

REFUSALS = {
    "TOKEN_UNKNOWN": Refused("TOKEN", "payment_token", "token {payment_token} is not in its vault"),
    "TOKEN_REQUESTOR_MISMATCH": Refused(
        "TOKEN_REQUESTOR_ID", "token_requestor_id", "{token_requestor_id} is not the token's requestor"
    ),
    "MERCHANT_NOT_ALLOWED": Refused(
        "MERCHANT", "merchant_id", "{merchant_id} ({merchant_domain}) is not in the token's domain"
    ),
    "ENTRY_MODE_NOT_ALLOWED": Refused(
        "POS_ENTRY_MODE", "pos_entry_mode", "entry mode {pos_entry_mode} is not in the token's domain"
    ),
    "INITIATOR_NOT_ALLOWED": Refused(
        "INITIATOR", "initiator", "the token's domain does not let the merchant begin a payment"
    ),
    "ORIGINAL_UNKNOWN": Refused(
        "INITIATOR", "original_rrn", "the merchant names no payment that the cardholder made with this token"
    ),
    "TOKEN_INACTIVE": Refused("TOKEN_STATE", "payment_token", "token {payment_token} is not active yet"),
    "TOKEN_SUSPENDED": Refused("TOKEN_STATE", "payment_token", "token {payment_token} is suspended"),
    "TOKEN_DELETED": Refused("TOKEN_STATE", "payment_token", "token {payment_token} is deleted"),
    "TOKEN_EXPIRY_MISMATCH": Refused("TOKEN_EXPIRY", "token_expiry", "expiry {token_expiry} is not the token's"),
    "TOKEN_EXPIRED": Refused("TOKEN_EXPIRY", "token_expiry", "the token has expired ({token_expiry}, as YYMM)"),
    "CRYPTOGRAM_MISSING": Refused("CRYPTOGRAM", "cryptogram", "the token's domain wants a cryptogram and none came"),
    "CRYPTOGRAM_FORMAT": Refused("CRYPTOGRAM", "cryptogram", "the cryptogram's format is not known"),
    "CRYPTOGRAM_KEY_UNKNOWN": Refused("CRYPTOGRAM", "cryptogram", "the cryptogram names a key that is not known"),
    "CRYPTOGRAM_WRONG": Refused(
        "CRYPTOGRAM", "cryptogram", "the cryptogram does not belong to this token and purchase"
    ),
    "CRYPTOGRAM_REPLAYED": Refused("CRYPTOGRAM", "cryptogram", "the cryptogram was used before, or never issued"),
    "CRYPTOGRAM_EXPIRED": Refused("CRYPTOGRAM", "cryptogram", "the cryptogram was issued too long ago"),
    "TRANSACTION_REVERSED": Refused("USAGE", "rrn", "payment {rrn} was taken back before it came"),
    "USAGE_EXHAUSTED": Refused("USAGE", "payment_token", "one-time token {payment_token} was used before"),
}
"""By the names of the protos' Refusal, less REFUSAL_."""
