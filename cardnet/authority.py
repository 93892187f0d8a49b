"""Makes identities: a certificate authority for each set of certificates, whose key is gone when they are made.

Everybody is told of a new authority before anybody shows a certificate of it. So certificates are replaced while all
services run, and no connection is refused.
"""

import asyncio
import logging
import os
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cardnet.certificates import AUTHORITIES, CERTIFICATE, KEY, LOOK_S, Papers
from cardnet.env import Clock
from cardnet.identity import NAMES, SERVERS, TRUST_DOMAIN

LIFE = timedelta(hours=24)
"""How long certificates are good, unless it is said otherwise."""

SEEN_BY_ALL_S = 3 * LOOK_S
"""After this time everybody has looked at its folder again, unless it is told to look less often."""

_CLOCKS_DIFFER = timedelta(minutes=5)
_LOOK_AT_CLOCK_S = 30.0

log = logging.getLogger("cardnet")


class Authority:
    """One certificate authority. Its key is in memory alone."""

    def __init__(self, now: datetime, life: timedelta = LIFE, trust_domain: str = TRUST_DOMAIN) -> None:
        """life: how long it is good, and all that it certifies."""
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._life = (now - _CLOCKS_DIFFER, now + life)
        self._trust_domain = trust_domain
        self._id = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        # No two have one name: whoever believes both would hold a certificate against the wrong one.
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"cardnet test authority {self._id.digest.hex()}")])
        usage = x509.KeyUsage(**_USAGES | {"key_cert_sign": True, "crl_sign": True})
        self._certificate = (
            self._begun(name, name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(self._id, critical=False)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def certificate(self) -> bytes:
        """Its certificate, PEM."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def papers(self, name: str) -> Papers:
        """Papers for somebody. Services get their own DNS name, and nobody gets one that another has too."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(f"spiffe://{self._trust_domain}/{name}")]
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if name in SERVERS:
            names.append(x509.DNSName(name))
            uses.append(ExtendedKeyUsageOID.SERVER_AUTH)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            self._begun(subject, self._certificate.subject, key)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**_USAGES | {"digital_signature": True}), critical=True)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self._id), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        encoded = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Papers(certificate.public_bytes(serialization.Encoding.PEM), encoded, self.certificate)

    def _begun(self, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._life[0])
            .not_valid_after(self._life[1])
        )


class Registry:
    """The identities of one network: a folder for each of them in one folder."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        names: Sequence[str] = NAMES,
        life: timedelta = LIFE,
        domain: str = TRUST_DOMAIN,
        seen_by_all_s: float = SEEN_BY_ALL_S,
    ) -> None:
        """seen_by_all_s: how long after a change in a folder its owner is sure to have seen it."""
        self._folder = folder
        self._clock = clock
        self._names = names
        self._life = life
        self._domain = domain
        self._seen_by_all_s = seen_by_all_s

    def issue(self) -> None:
        """Make all identities at once: for a network that does not run yet."""
        authority = self._announced()
        self._certify(authority)

    async def replace(self) -> None:
        """Make them anew for a network that runs: first all hear of the authority, then the certificates follow."""
        authority = self._announced()
        await asyncio.sleep(self._seen_by_all_s)
        self._certify(authority)

    async def keep(self) -> None:
        """Replace them at half of their life, until cancelled. Where that fails it is tried again, and said."""
        due = self._clock.now() + self._life / 2
        while True:
            # A machine that sleeps stops the loop's clock; certificates grow old all the same.
            await asyncio.sleep(min(_LOOK_AT_CLOCK_S, max(0.0, (due - self._clock.now()).total_seconds())))
            if self._clock.now() < due:
                continue
            due = self._clock.now() + self._life / 2
            try:
                await self.replace()
            except OSError as problem:
                log.warning("the certificates could not be replaced: %s", problem.strerror)
                due = self._clock.now() + self._life / 20

    def stands(self) -> bool:
        """Whether somebody may run with identities from this folder."""
        return any((self._folder / name / AUTHORITIES).exists() for name in self._names)

    def _announced(self) -> Authority:
        now = self._clock.now()
        authority = Authority(now, self._life, self._domain)
        for name in self._names:
            folder = self._folder / name
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            former = folder / AUTHORITIES
            believed = [authority.certificate, *(_unexpired(former.read_bytes(), now) if former.exists() else ())]
            _write(former, b"".join(believed))
        return authority

    def _certify(self, authority: Authority) -> None:
        for name in self._names:
            papers = authority.papers(name)
            # The key first: who reads in between finds that they do not fit, and looks again.
            _write(self._folder / name / KEY, papers.key)
            _write(self._folder / name / CERTIFICATE, papers.certificate)


_USAGES = dict.fromkeys(
    (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    ),
    False,
)


def _unexpired(pem: bytes, now: datetime) -> list[bytes]:
    """The authorities that are still good. What is no certificate is dropped."""
    try:
        known = x509.load_pem_x509_certificates(pem)
    except ValueError:
        return []
    return [one.public_bytes(serialization.Encoding.PEM) for one in known if one.not_valid_after_utc > now]


def _write(path: Path, content: bytes) -> None:
    """Put a file in its place, whole, and readable by its owner alone."""
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
