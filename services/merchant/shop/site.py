"""What the shop's pages are told: where they are, and with whom they work."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

SERVICE_ID = "001"
"""The shop's one service, for which its pages have tokens made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The shop's place on the web."""

    name: str
    origin: str
    merchant_id: str
    tokens_origin: str
    """Whose script makes tokens of cards; empty where nobody's does, and then no new card is taken."""
    wallet_origin: str
    """The wallet that is offered; empty for none."""

    @property
    def policy(self) -> str:
        """The Content-Security-Policy of every page: no script, style or address but those named here."""
        tokens = f" {self.tokens_origin}" if self.tokens_origin else ""
        # Chromium holds a payment method's identifier to connect-src, and its icon to img-src (measured, 156).
        wallet = f" {self.wallet_origin}" if self.wallet_origin else ""
        return (
            f"default-src 'none'; script-src 'self'{tokens}; connect-src 'self'{tokens}{wallet}; style-src 'self'; "
            f"img-src 'self'{wallet}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )


class Key(Protocol):
    """The public half of the key to which wallets encrypt."""

    @property
    def jwk(self) -> Mapping[str, Any]:
        """As a JSON Web Key."""
        ...

    @property
    def certificate(self) -> str:
        """As an X.509 certificate, PEM."""
        ...


Keys = Callable[[], Awaitable[Key]]
"""Gives the key, which may have to be made or read first. Unavailable where it cannot."""
