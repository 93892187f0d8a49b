"""Certificates as another tool would make them, right ones and wrong ones: none of this is cardnet's own code."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
DOMAIN = "cardnet.test"
EVERYBODY = (
    *("merchant", "acquirer", "network", "tsp", "issuer", "collector"),
    *("wallet", "cardholder", "operator", "discloser", "other-merchant", "other-issuer"),
)
CALLED = EVERYBODY[:6]

NOW = datetime.now(UTC)
GOOD = (NOW - timedelta(minutes=5), NOW + timedelta(hours=1))
EXPIRED = (NOW - timedelta(days=2), NOW - timedelta(days=1))
NOT_YET = (NOW + timedelta(days=1), NOW + timedelta(days=2))


class Folder(NamedTuple):
    """What one shows, and whom one believes."""

    certificate: bytes
    key: bytes
    authorities: bytes

    def put(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in zip(("tls.crt", "tls.key", "ca.crt"), self, strict=True):
            (folder / name).write_bytes(content)
        return folder


class Mint:
    """Who signs: an authority, or whoever takes himself for one."""

    def __init__(self, key: Any, certificate: x509.Certificate, above: bytes = b"") -> None:
        """above: the chain that leads from here to an authority, where this is none itself."""
        self._key, self._certificate, self._above = key, certificate, above

    @classmethod
    def authority(cls, life: tuple[datetime, datetime] = GOOD, name: str = "an authority") -> Self:
        key = ec.generate_private_key(ec.SECP384R1())
        subject = _called(f"{name} {x509.random_serial_number():x}")
        usage = x509.KeyUsage(**_USAGES | {"key_cert_sign": True, "crl_sign": True})
        built = (
            _begun(subject, subject, key, life)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
        )
        return cls(key, built.sign(key, hashes.SHA384()))

    @property
    def pem(self) -> bytes:
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def leaf(
        self,
        name: str,
        *,
        ids: Sequence[str] | None = None,
        dns: Iterable[str] | None = None,
        uses: Sequence[x509.ObjectIdentifier] | None = None,
        life: tuple[datetime, datetime] = GOOD,
        believing: bytes | None = None,
        key: Any = None,
        common_name: str | None = None,
    ) -> Folder:
        """What somebody of this name gets, but for what is said otherwise. ids: SPIFFE IDs. dns: DNS names."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        called = name in CALLED
        ids = [f"spiffe://{DOMAIN}/{name}"] if ids is None else ids
        dns = [name] if dns is None and called else dns or []
        uses = ([CLIENT, SERVER] if called else [CLIENT]) if uses is None else uses
        names = [*map(x509.UniformResourceIdentifier, ids), *map(x509.DNSName, dns)]
        built = _begun(_called(name if common_name is None else common_name), self._certificate.subject, key, life)
        if names:
            built = built.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if uses:
            built = built.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        built = built.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        usage = x509.KeyUsage(**_USAGES | {"digital_signature": True, "key_encipherment": True})
        certificate = built.add_extension(usage, critical=True).sign(self._key, hashes.SHA256())
        shown = certificate.public_bytes(serialization.Encoding.PEM) + self._above
        return Folder(shown, _pem_of(key), believing or self.pem)

    def below(self, name: str) -> "Mint":
        """A mere leaf of this authority's that signs as if it were one."""
        key = ec.generate_private_key(ec.SECP256R1())
        own = self.leaf(name, key=key)
        return Mint(key, x509.load_pem_x509_certificate(own.certificate), own.certificate)

    def everybody(self, folder: Path, domain: str = DOMAIN) -> Path:
        for name in EVERYBODY:
            self.leaf(name, ids=[f"spiffe://{domain}/{name}"]).put(folder / name)
        return folder


def self_signed(name: str, believing: bytes) -> Folder:
    """One who vouches for himself."""
    key = ec.generate_private_key(ec.SECP256R1())
    own = Mint(key, _begun(_called(name), _called(name), key, GOOD).sign(key, hashes.SHA256()))
    return own.leaf(name, key=key, believing=believing)


def serial_in(folder: Path) -> int:
    return x509.load_pem_x509_certificate((folder / "tls.crt").read_bytes()).serial_number


def rsa_key() -> Any:
    return rsa.generate_private_key(65537, 2048)


_USAGES = dict.fromkeys(
    (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
        *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    ),
    False,
)


def _called(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])] if name else [])


def _begun(subject: x509.Name, issuer: x509.Name, key: Any, life: tuple[datetime, datetime]) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(life[0])
        .not_valid_after(life[1])
    )


def _pem_of(key: Any) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    pem: bytes = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return pem
