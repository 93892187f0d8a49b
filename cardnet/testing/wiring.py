"""How the five services of one network are told of each other: addresses, identities and stores, as settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cardnet.certificates import Identity
from cardnet.identity import TRUST_DOMAIN, Door, door_of
from cardnet.roster import Roster

NEIGHBOURS = {
    "merchant": ("acquirer", "tsp"),
    "acquirer": ("network",),
    "network": ("tsp", "issuer"),
    "tsp": ("issuer",),
    "issuer": (),
}
"""Whom each service asks."""

WITH_ADMIN_DOOR = ("tsp", "issuer")
"""Those who have something to administer."""


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """One network's settings."""

    addresses: Mapping[str, str]
    """Each service's host:port."""
    admin_addresses: Mapping[str, str] = field(default_factory=dict)
    """The host:port of each admin door; empty for none."""
    store_urls: Mapping[str, str]
    """Each service's own store."""
    identities: str = ""
    """The folder of all identities; empty for plain text."""
    trust_domain: str = TRUST_DOMAIN
    collector: str = ""
    seed: str = ""
    frozen_at: str = ""
    clock_file: str = ""
    extra: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """More settings of a service, by their field names: {"tsp": {"cryptogram_validation": "issuer"}}."""

    def settings(self, service: str) -> dict[str, str]:
        """The environment variables of a service."""
        values = {
            "listen": self.addresses[service],
            "admin_listen": self.admin_addresses.get(service, ""),
            "redis_url": self.store_urls[service],
            "identity": str(Path(self.identities, service)) if self.identities else "",
            "insecure": "" if self.identities else "1",
            "trust_domain": self.trust_domain,
            "collector": self.collector,
            "seed": self.seed,
            "frozen_at": self.frozen_at,
            "clock_file": self.clock_file,
            **{neighbour: self.addresses[neighbour] for neighbour in NEIGHBOURS[service]},
            **self.extra.get(service, {}),
        }
        prefix = f"CARDNET_{service.upper()}_"
        return {f"{prefix}{name.upper()}": value for name, value in values.items() if value}

    def address(self, service: str, as_: str) -> str:
        """The door of a service at which somebody comes in. KeyError where there is no such door."""
        return (self.admin_addresses if door_of(as_) is Door.ADMIN else self.addresses)[service]

    def presented(self, as_: str) -> Identity | str:
        """What somebody shows who asks: an identity, or a mere name in plain text."""
        return Identity(Path(self.identities, as_)) if self.identities else as_

    def roster(self) -> Roster:
        """What commands on this machine are told of the network."""
        tsp = self.extra.get("tsp", {})
        return Roster(
            services=dict(self.addresses),
            admin=dict(self.admin_addresses),
            collector=self.collector,
            identities=self.identities,
            clock_file=self.clock_file,
            frozen_at=self.frozen_at,
            audit_file=tsp.get("audit_file", ""),
            kek_file=tsp.get("kek_file", ""),
            vault_store=self.store_urls.get("tsp", ""),
        )
