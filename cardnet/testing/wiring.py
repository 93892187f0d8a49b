"""How the five services of one network are told of each other: addresses, credentials and stores, as settings."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from cardnet.identity import DISCLOSER, OPERATOR, digest
from cardnet.roster import CREDENTIALS, Roster
from cardnet.steps import SERVICES

NEIGHBOURS = {
    "merchant": ("acquirer", "tsp"),
    "acquirer": ("network",),
    "network": ("tsp", "issuer"),
    "tsp": ("issuer",),
    "issuer": (),
}
"""Whom each service asks."""

CALLERS = {
    "merchant": (),
    "acquirer": ("merchant", "other-merchant"),
    "network": ("acquirer",),
    "tsp": ("merchant", "other-merchant", "network", "issuer", "other-issuer", OPERATOR, DISCLOSER),
    "issuer": ("network", "tsp", OPERATOR),
}
"""Whom each service lets in, besides anyone. "other-merchant" is a second merchant, for tests of domain controls."""


def _credentials() -> dict[str, str]:
    return {
        name: secrets.token_urlsafe(24) for name in (*SERVICES, OPERATOR, DISCLOSER, "other-merchant", "other-issuer")
    }


@dataclass(frozen=True)
class Wiring:
    """One network's settings. addresses: each service's host:port. store_urls: each service's own store."""

    addresses: Mapping[str, str]
    store_urls: Mapping[str, str]
    collector: str = ""
    seed: str = ""
    frozen_at: str = ""
    clock_file: str = ""
    extra: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """More settings of a service, by their field names: {"tsp": {"cryptogram_validation": "issuer"}}."""
    credentials: Mapping[str, str] = field(default_factory=_credentials)

    def settings(self, service: str) -> dict[str, str]:
        """The environment variables of a service."""
        callers = (f"{name}={digest(self.credentials[name])}" for name in CALLERS[service])
        own = {
            "listen": self.addresses[service],
            "redis_url": self.store_urls[service],
            "credential": self.credentials[service],
            "callers": ",".join(callers),
            **{neighbour: self.addresses[neighbour] for neighbour in NEIGHBOURS[service]},
            **self.extra.get(service, {}),
        }
        common = {
            "collector": self.collector,
            "seed": self.seed,
            "frozen_at": self.frozen_at,
            "clock_file": self.clock_file,
        }
        prefix = f"CARDNET_{service.upper()}_"
        return {f"{prefix}{name.upper()}": value for name, value in {**common, **own}.items() if value}

    def roster(self) -> Roster:
        """What commands on this machine are told of the network."""
        tsp = self.extra.get("tsp", {})
        return Roster(
            services=dict(self.addresses),
            collector=self.collector,
            credentials={name: self.credentials[name] for name in CREDENTIALS},
            clock_file=self.clock_file,
            frozen_at=self.frozen_at,
            audit_file=tsp.get("audit_file", ""),
            kek_file=tsp.get("kek_file", ""),
            vault_store=self.store_urls.get("tsp", ""),
        )
