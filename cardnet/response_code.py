"""The answers of the network: ISO 8583 field 39.

The meanings are the general ones; which code stands for which failure of a token is this simulator's choice, because
networks do not publish theirs (docs/decisions/0004).
"""

from enum import StrEnum


class ResponseCode(StrEnum):
    """An answer. Its value is what field 39 carries: two characters."""

    APPROVED = "00"
    INVALID_MERCHANT = "03"
    DO_NOT_HONOUR = "05"
    INVALID_TRANSACTION = "12"
    INVALID_CARD = "14"
    NO_SUCH_ISSUER = "15"
    RECORD_NOT_FOUND = "25"
    LOST_CARD = "41"
    STOLEN_CARD = "43"
    INSUFFICIENT_FUNDS = "51"
    EXPIRED_CARD = "54"
    PASSCODE_WRONG = "55"
    NOT_PERMITTED_TO_CARD = "57"
    NOT_PERMITTED_TO_TERMINAL = "58"
    LIMIT_EXCEEDED = "61"
    RESTRICTED_CARD = "62"
    SECURITY_VIOLATION = "63"
    ORIGINAL_AMOUNT_INCORRECT = "64"
    USAGE_EXHAUSTED = "65"
    RESPONSE_TOO_LATE = "68"
    PASSCODE_TRIES_EXCEEDED = "75"
    TOKEN_NOT_IN_USE = "78"  # noqa: S105 - a response code, not a secret
    CRYPTOGRAM_FAILURE = "82"
    ISSUER_UNAVAILABLE = "91"
    DUPLICATE_TRANSMISSION = "94"
    SYSTEM_MALFUNCTION = "96"

    @property
    def approved(self) -> bool:
        """Whether the cardholder may have the goods."""
        return self is ResponseCode.APPROVED

    @property
    def meaning(self) -> str:
        """What the code means, in the words of those who run networks."""
        return self.name.lower().replace("_", " ")

    @property
    def notice(self) -> str:
        """What a shop tells its customer. A customer cannot mend a cryptogram, so several codes share a sentence."""
        return _NOTICES.get(self, "The payment was declined. Please use another card.")


_NOTICES = {
    ResponseCode.APPROVED: "Thank you. The payment was approved.",
    ResponseCode.INSUFFICIENT_FUNDS: "The payment was declined: not enough funds on this card.",
    ResponseCode.EXPIRED_CARD: "The payment was declined: the card has expired. Please save the new card.",
    ResponseCode.LIMIT_EXCEEDED: "The payment was declined: it is above the limit of this card.",
    ResponseCode.RESTRICTED_CARD: "The payment was declined: the card cannot be used now. Please ask your bank.",
    ResponseCode.INVALID_CARD: "The payment was declined: the card is not known. Please check it.",
    ResponseCode.ISSUER_UNAVAILABLE: "Your bank did not answer. Nothing was charged. Please try again later.",
    ResponseCode.SYSTEM_MALFUNCTION: "The payment could not be made. Nothing was charged. Please try again later.",
    ResponseCode.RESPONSE_TOO_LATE: "The payment took too long. Nothing was charged. Please try again.",
}
