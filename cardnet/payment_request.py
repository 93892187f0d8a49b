"""What binds a wallet's card details to one payment request of one page: claims beside them, under the same encryption.

The document has no such claims; without them, details that were meant for one order pay for another of the same amount.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, Self

from cardnet.errors import InvalidField
from cardnet.money import Money
from cardnet.rules import RULES

CLAIMS = ("paymentRequestId", "topOrigin", "total", "iat", "exp", "jti")
"""All of them, or none."""

LONGEST_S = 600
"""How long details may be good, in seconds."""

LEEWAY_S = 60
"""How far the wallet's clock may be ahead of the shop's, in seconds."""


class PaymentRequest(NamedTuple):
    """A payment request as the shop knows it."""

    id: str
    """As its page got it from the browser; empty where the shop did not ask for details that are bound to it."""
    origin: str
    """The page's."""
    total: Money


class Claims(NamedTuple):
    """To which payment request card details are bound, and for how long."""

    payment_request_id: str
    top_origin: str
    """Without a slash at its end, which Chromium writes and others do not."""
    total: Money
    issued_at: int
    """Seconds since 1970, as is `expires_at`."""
    expires_at: int
    jti: str
    """Names these details: no two have the same."""

    @classmethod
    def read(cls, members: Mapping[str, Any]) -> Self | None:
        """The claims among these members, or None. InvalidField if some are missing or malformed."""
        if not members.keys() & set(CLAIMS):
            return None
        for name in CLAIMS:
            if name not in members:
                raise InvalidField(name, "must be given where there are other claims of a payment request")
        return cls(
            _named(members, "paymentRequestId"),
            _origin(members["topOrigin"]),
            _total(members["total"]),
            _seconds(members, "iat"),
            _seconds(members, "exp"),
            _named(members, "jti"),
        )

    @property
    def members(self) -> dict[str, Any]:
        """As they are written."""
        value, _, currency = str(self.total).partition(" ")
        total = {"currency": currency, "value": value}
        return dict(zip(CLAIMS, (*self[:2], total, *self[3:]), strict=True))

    def check(self, request: PaymentRequest, now: datetime) -> None:
        """Hold them to the request that the shop made. InvalidField names the claim that does not fit."""
        now_s = int(now.timestamp())
        rules = (
            ("paymentRequestId", self.payment_request_id == request.id, "must be that of the shop's payment request"),
            ("topOrigin", self.top_origin == request.origin, "must be the origin of the shop's page"),
            ("total", self.total == request.total, "must be what is to be paid, in its currency"),
            ("iat", self.issued_at <= now_s + LEEWAY_S, "must not be in the future"),
            ("exp", now_s < self.expires_at, "must not be over: ask the wallet again"),
            ("exp", 0 < self.expires_at - self.issued_at <= LONGEST_S, f"must be at most {LONGEST_S} s after iat"),
        )
        for claim, kept, rule in rules:
            if not kept:
                raise InvalidField(claim, rule)


def _named(members: Mapping[str, Any], name: str) -> str:
    value = members[name]
    broken = RULES["KEY"].check(value) if isinstance(value, str) else "must be a text"
    if broken:
        raise InvalidField(name, broken)
    return str(value)


def _origin(value: object) -> str:
    origin = value.removesuffix("/") if isinstance(value, str) else ""
    broken = RULES["ORIGIN"].check(origin)
    if broken:
        raise InvalidField("topOrigin", broken)
    return origin


def _total(value: object) -> Money:
    match value:
        case {"currency": str(currency), "value": str(amount), **others} if not others:
            try:
                return Money.parse(f"{amount} {currency}")
            except InvalidField as violation:
                raise InvalidField("total", violation.rule) from None
    raise InvalidField("total", "must have currency and value, both texts, and nothing else")


def _seconds(members: Mapping[str, Any], name: str) -> int:
    value = members[name]
    if type(value) is not int or not 0 <= value < 1 << 40:  # a bool is an int, too
        raise InvalidField(name, "must be a whole number of seconds since 1970")
    return value
