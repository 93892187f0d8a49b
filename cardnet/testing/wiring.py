"""How the five services of one network are told of each other: addresses, identities and stores, as settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cardnet.certificates import Identity
from cardnet.identity import MERCHANT, NEIGHBOURS, PROGRAMS, TRUST_DOMAIN, TSP, WALLET, Door, door_of
from cardnet.roster import Roster

WITH_FACE = (MERCHANT, TSP, WALLET)
"""Those who show something to browsers."""

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
    web: Mapping[str, str] = field(default_factory=dict)
    """The host:port of each web face: the merchant's shop, the tsp's token service, the wallet; empty for none."""
    shop_origins: Sequence[str] = ()
    """Origins of other shops that are registered to the merchant."""
    identities: str = ""
    """The folder of all identities; empty for plain text."""
    trust_domain: str = TRUST_DOMAIN
    collector: str = ""
    seed: str = ""
    frozen_at: str = ""
    clock_file: str = ""
    faults_file: str = ""
    extra: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """More settings of a service, by their field names: {"tsp": {"cryptogram_validation": "issuer"}}."""

    @property
    def origins(self) -> dict[str, str]:
        """What browsers call each web face.

        Cookies know hosts and no ports: the wallet, where they stand for money, has a host of its own. Browsers know
        that a name under localhost is this machine (RFC 6761); other programs may not.
        """
        hosts = {WALLET: "wallet.localhost"}
        ports = {name: address.rpartition(":")[2] for name, address in self.web.items()}
        return {name: f"http://{hosts.get(name, 'localhost')}:{port}" for name, port in ports.items()}

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
            "faults_file": self.faults_file,
            **{neighbour: self.addresses[neighbour] for neighbour in NEIGHBOURS[service]},
            **(self._web_settings(service) if self.web else {}),
            **self.extra.get(service, {}),
        }
        prefix = f"CARDNET_{service.upper()}_"
        return {f"{prefix}{name.upper()}": value for name, value in values.items() if value}

    def _web_settings(self, service: str) -> dict[str, str]:
        origins = self.origins
        shops = (origins[MERCHANT], *self.shop_origins)
        own = {"web_listen": self.web[service], "web_origin": origins[service]} if service in self.web else {}
        others = {
            MERCHANT: {"tokens_origin": origins[TSP], "wallet_origin": origins[WALLET]},
            TSP: {"origins": ",".join(f"{MERCHANT}={shop}" for shop in shops)},
            WALLET: {"key_origins": ",".join(shops)},
        }
        return own | others.get(service, {})

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
            faults=bool(self.faults_file),
            clock_file=self.clock_file,
            frozen_at=self.frozen_at,
            audit_file=tsp.get("audit_file", ""),
            kek_file=tsp.get("kek_file", ""),
            vault_store=self.store_urls.get("tsp", ""),
        )


def with_keys(settings: Mapping[str, Mapping[str, str]], keys: Path) -> dict[str, dict[str, str]]:
    """Each service's further settings, and where it keeps its keys: beside the data that they open, and for as long."""
    extra: dict[str, dict[str, str]] = {name: {} for name in PROGRAMS}
    extra["issuer"]["keys_file"] = str(keys / "issuer.keys")
    extra["merchant"]["payment_key_file"] = str(keys / "merchant.payment-key")
    extra["tsp"] |= {
        "kek_file": str(keys / "tsp.kek"),
        "kek_file_create": "1",
        "audit_file": str(keys / "tsp.audit"),
    }
    return {name: {**values, **settings.get(name, {})} for name, values in extra.items()}
