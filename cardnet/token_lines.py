"""Tokens as they are shown: by reference and last four digits, never by number."""

from typing import TYPE_CHECKING, Any

from cardnet.enumeration import word_of
from cardnet.response_code import ResponseCode
from cardnet.rules import masked

if TYPE_CHECKING:
    from cardnet.v1.token_lifecycle_pb2 import TokenNotification
    from cardnet.v1.token_pb2 import Token

PARTIES = ("operator", "requestor", "issuer")
"""In whose name a token is changed."""
CAUSES = ("cardholder", "lost-or-stolen", "fraud", "card-replaced", "closed", "cardholder-confirmed", "other")
"""Why."""

HEADINGS = ("token", "state", "requestor", "number", "YYMM", "card", "use")

SHOWN_DIGITS = 8
"""As many digits of a reference as a table shows; any beginning that means one token alone will do as its name."""


def document(token: "Token") -> dict[str, Any]:
    """A token as JSON shows it."""
    from cardnet.v1.token_pb2 import Party, TokenLocation, TokenState, TokenUsage

    return {
        "token_reference_id": token.token_reference_id,
        "state": word_of(TokenState, token.state),
        "suspended_by": [word_of(Party, party) for party in token.suspended_by],
        "token_requestor_id": token.token_requestor_id,
        "token_last_four": token.token_last_four,
        "token_expiry": token.token_expiry,
        "pan_last_four": token.pan_last_four,
        "par": token.par,
        "token_assurance_level": token.token_assurance_level,
        "token_assurance_data": token.token_assurance_data,
        "usage": word_of(TokenUsage, token.usage),
        "location": word_of(TokenLocation, token.location),
        "pan_product_id": token.pan_product_id,
        "version": token.version,
    }


def cells(token: "Token") -> tuple[str, ...]:
    """A token as a line of a table under HEADINGS."""
    known = document(token)
    return (
        known["token_reference_id"][:SHOWN_DIGITS],
        state(known),
        known["token_requestor_id"],
        masked(known["token_last_four"]),
        known["token_expiry"],
        masked(known["pan_last_four"]),
        known["usage"],
    )


def facts(token: "Token") -> list[tuple[str, str]]:
    """All that may be told of a token, a fact a line."""
    known = document(token)
    assurance = f"{known['token_assurance_level']} {known['token_assurance_data']}".strip()
    return [
        ("token", known["token_reference_id"]),
        ("state", state(known)),
        ("number", f"{masked(known['token_last_four'])}, expiry {known['token_expiry']}"),
        ("card", f"{masked(known['pan_last_four'])} {known['pan_product_id']}".rstrip()),
        ("PAR", known["par"]),
        ("requestor", known["token_requestor_id"]),
        ("use", ", ".join(filter(None, (known["usage"], known["location"])))),
        ("assurance", assurance),
        ("changes", str(known["version"])),
    ]


def state(known: dict[str, Any]) -> str:
    """The state, and who suspends it."""
    parties = f" by {', '.join(known['suspended_by'])}" if known["suspended_by"] else ""
    return f"{known['state']}{parties}"


def notification_document(notification: "TokenNotification") -> dict[str, Any]:
    """A notification as JSON shows it."""
    from cardnet.v1.token_pb2 import Cause, Party

    return {
        "position": notification.position,
        "changed_at": notification.changed_at,
        "party": word_of(Party, notification.party),
        "cause": word_of(Cause, notification.cause),
        "token": document(notification.token),
    }


def notification_line(notification: "TokenNotification") -> str:
    """A notification in a line."""
    known = notification_document(notification)
    token = known["token"]
    return (
        f"{known['position']:>4}  {known['changed_at']}  {token['token_reference_id'][:SHOWN_DIGITS]}  "
        f"{state(token)}  ({known['party']}: {known['cause']})  card {masked(token['pan_last_four'])}"
    )


def why(code: ResponseCode, rpc: str, party: str, said_by: str = "") -> str:
    """Why a change was refused, in a sentence's words. said_by: how one says in whose name one asks."""
    if code == ResponseCode.NOT_PERMITTED_TO_CARD and rpc == "ResumeToken":
        return f"the {party} has not suspended this token; only who did so resumes it{said_by}"
    sentences = {
        ResponseCode.INVALID_CARD: f"the {party} has no such token",
        ResponseCode.NOT_PERMITTED_TO_CARD: f"this is not the {party}'s to change",
        ResponseCode.TOKEN_NOT_IN_USE: "the token was deleted, or is not active yet",
    }
    return sentences.get(code, "nothing was changed")


def why_not_replaced(code: ResponseCode) -> str:
    """Why a card got no new number, in a sentence's words."""
    sentences = {
        ResponseCode.INVALID_CARD: "the card has no tokens here, or is not the caller's",
        ResponseCode.DUPLICATE_TRANSMISSION: "the new card has tokens of its own",
    }
    return sentences.get(code, "nothing was changed")
