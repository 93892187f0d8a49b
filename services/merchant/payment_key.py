"""The shop's own key, to which wallets encrypt card details: RSA of 2048 bits, at the shop's keyProviderURL.

It stands in a file that nobody else may read, or for as long as the process in memory. Instances of one shop share the
file: details that one's page asked for may come to another.
"""

import asyncio
import base64
import hashlib
import json
import os
import tempfile
from contextlib import suppress
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID
from joserfc.jwk import RSAKey

from cardnet.config import SettingMissing
from cardnet.env import Clock
from cardnet.errors import Unavailable
from cardnet.tokenized_card import TokenizedCard, decrypt

BITS = 2_048
CERTIFIED_YEARS = 5

_SETTING = "CARDNET_MERCHANT_PAYMENT_KEY_FILE"


class PaymentKey:
    """A private key, and what of it may be told."""

    def __init__(self, key: rsa.RSAPrivateKey, domain: str, clock: Clock) -> None:
        """domain: the shop's host name, which the certificate is for."""
        self._key = key
        self._domain = domain
        self._clock = clock

    @property
    def id(self) -> str:
        """The key's name, `kid`: its thumbprint (RFC 7638)."""
        return self.jwk["kid"]

    @cached_property
    def jwk(self) -> dict[str, str]:
        """The public key as a JSON Web Key: kty, n, e, kid, use and alg."""
        numbers = self._key.public_key().public_numbers()
        shown = {"e": _coded(numbers.e), "kty": "RSA", "n": _coded(numbers.n)}
        written = json.dumps(shown, separators=(",", ":"), sort_keys=True).encode()
        thumbprint = base64.urlsafe_b64encode(hashlib.sha256(written).digest()).rstrip(b"=").decode()
        return shown | {"kid": thumbprint, "use": "enc", "alg": "RSA-OAEP-256"}

    @cached_property
    def certificate(self) -> str:
        """The public key as an X.509 certificate (PEM), signed by itself: it says whose it is and proves nothing."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self._domain[:64])])
        now = self._clock.now()
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(int.from_bytes(hashlib.sha256(self.id.encode()).digest()[:16], "big") | 1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=365 * CERTIFIED_YEARS))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(self._domain)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        return made.public_bytes(Encoding.PEM).decode()

    def decrypt(self, encrypted_details: str) -> TokenizedCard:
        """What a wallet encrypted to this key. InvalidField names the member that breaks its rule."""
        return decrypt(encrypted_details, self.id, self._joserfc)

    @cached_property
    def _joserfc(self) -> RSAKey:
        return RSAKey.import_key(_pem(self._key))


class PaymentKeys:
    """Where the shop's key is had: from its file, or made when it is first asked for, which takes a while."""

    def __init__(self, file: str, domain: str, clock: Clock) -> None:
        """file: empty for a key in memory. SettingMissing if it is of no use; one that is not there is made later."""
        self._path = Path(file) if file else None
        self._domain = domain
        self._clock = clock
        self._making = asyncio.Lock()
        self._key: PaymentKey | None = None
        if self._path and self._path.exists():
            self._key = self._known(_read(self._path))
        elif self._path and not self._path.parent.is_dir():
            raise SettingMissing(f"{_SETTING} is to be in {self._path.parent}, which is no folder: make it first")

    async def prepare(self) -> None:
        """Have the key made now, if it is not there. Unavailable as in `key`."""
        await self.key()

    async def key(self) -> PaymentKey:
        """The key. Unavailable if it is to be in a file, and cannot be written or read there."""
        async with self._making:
            if self._key is None:
                self._key = self._known(await asyncio.to_thread(_made, self._path))
            return self._key

    def _known(self, key: rsa.RSAPrivateKey) -> PaymentKey:
        return PaymentKey(key, self._domain, self._clock)


def _made(path: Path | None) -> rsa.RSAPrivateKey:
    key = rsa.generate_private_key(65_537, BITS)
    if path is None:
        return key
    try:
        if not path.exists():
            _write_once(path, _pem(key))
        return _read(path)  # of several instances that start at once, one has written
    except (OSError, SettingMissing):
        raise Unavailable("PAYMENT_KEY_UNAVAILABLE", "the shop's payment key cannot be kept: see to its file") from None


def _read(path: Path) -> rsa.RSAPrivateKey:
    try:
        if path.stat().st_mode & 0o077:
            raise SettingMissing(f"{_SETTING} can be read by others: run chmod 600 {path}")
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError:
        raise SettingMissing(f"{_SETTING}: {path} cannot be read: see that it is a file of yours") from None
    except (ValueError, TypeError):
        key = None  # as is a key of another kind
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < BITS:
        raise SettingMissing(
            f"{_SETTING}: {path} must hold a private RSA key of {BITS} bits or more (PEM, no passphrase)"
        )
    return key


def _write_once(path: Path, pem: bytes) -> None:
    # Linked into place when it is whole: of several that start at once one writes, and none reads half a key.
    descriptor, whole = tempfile.mkstemp(dir=path.parent)  # for us alone: 0600
    try:
        with os.fdopen(descriptor, "wb") as draft:
            draft.write(pem)
            draft.flush()
            os.fsync(draft.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(whole)
    finally:
        Path(whole).unlink()


def _pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _coded(number: int) -> str:
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
