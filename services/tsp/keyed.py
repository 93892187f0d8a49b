"""The keys of a keyring made ready for use: keying anew costs more than using, and an authorisation uses eight."""

import hashlib
import os
from collections.abc import Sequence
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)
from joserfc.jwk import RSAKey

from cardnet.cryptogram import CryptogramKey
from services.tsp.keyring import Key, Keyring, Purpose

NONCE = 12
_BLOCK = 64
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class KeyedHash:
    """HMAC-SHA256 (RFC 2104) with its key's two blocks hashed beforehand: 1.1 µs where the library's takes 4."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        """key: at most 64 bytes."""
        block = key.ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(block.translate(_INNER))
        self._outer = hashlib.sha256(block.translate(_OUTER))

    def digest(self, message: bytes) -> bytes:
        """The 32 bytes."""
        return self._finished(message).digest()

    def name(self, message: bytes) -> str:
        """The first 16 bytes as 32 hexadecimal digits: what the store may call something."""
        return self._finished(message).hexdigest()[:32]

    def _finished(self, message: bytes) -> "hashlib._Hash":
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer


class CardKey:
    """The key that cards are encrypted to: RSA, 2,048 bits; and those before it that still open some."""

    def __init__(self, keys: Sequence[Key]) -> None:
        """keys: the primary first. Their bytes are PKCS #8."""
        opened = [_opened(key.secret) for key in keys]
        self.private = {key.thumbprint(): key for key in opened}  # RFC 7638: another key has another name
        """Private keys by their identifiers."""
        self.id = next(iter(self.private))
        public = opened[0].public_key
        self.public = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def new_card_secret() -> bytes:
    """The bytes of a new card key. Takes 70 ms or more: not for the event loop."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


class Keyed:
    """A keyring in use. KeyError: a key of that number is not there, or not any more."""

    def __init__(self, ring: Keyring, shared_cryptogram_key: bytes) -> None:
        """shared_cryptogram_key: takes the place of the keyring's own, as number 1; or empty."""
        self._ring = ring
        self.tokens = tuple(KeyedHash(key.secret) for key in ring.of(Purpose.TOKEN_INDEX))
        self.pans = tuple(KeyedHash(key.secret) for key in ring.of(Purpose.PAN_INDEX))
        self.new_tokens = tuple(KeyedHash(key.secret) for key in ring.entering(Purpose.TOKEN_INDEX))
        self.new_pans = tuple(KeyedHash(key.secret) for key in ring.entering(Purpose.PAN_INDEX))

        self._data = ring.primary(Purpose.DATA).number
        self._data_keys = {key.number: KeyedHash(key.secret) for key in ring.of(Purpose.DATA)}

        history = ring.of(Purpose.HISTORY)
        self._history = history[0].number
        self._history_keys = {key.number: AESGCM(KeyedHash(key.secret).digest(b"entry")) for key in history}
        self.fingerprints = tuple(KeyedHash(KeyedHash(key.secret).digest(b"fingerprint")) for key in history)

        self._audit = ring.primary(Purpose.AUDIT).number
        self._audit_keys = {key.number: KeyedHash(key.secret) for key in ring.of(Purpose.AUDIT)}

        cryptograms = [CryptogramKey(key.secret, key.number % 256) for key in ring.of(Purpose.CRYPTOGRAM)]
        if shared_cryptogram_key:
            cryptograms = [CryptogramKey(shared_cryptogram_key, 1)]
        self.cryptogram = cryptograms[0]
        # One that is merely prepared may be in use elsewhere already: another instance heard of it first.
        self.cryptograms = {key.index: key for key in cryptograms}

    @cached_property
    def card(self) -> CardKey | None:
        """The card key; None while the first one is being made."""
        keys = self._ring.of(Purpose.CARD)
        return CardKey(keys) if keys else None

    def seal(self, plaintext: bytes, beside: bytes, salt: bytes) -> tuple[int, bytes]:
        nonce = os.urandom(NONCE)
        return self._data, nonce + self._cipher(self._data, salt).encrypt(nonce, plaintext, beside)

    def unseal(self, number: int, sealed: bytes, beside: bytes, salt: bytes) -> bytes:
        return self._cipher(number, salt).decrypt(sealed[:NONCE], sealed[NONCE:], beside)

    def seal_history(self, plaintext: bytes, beside: bytes) -> tuple[int, bytes]:
        nonce = os.urandom(NONCE)
        return self._history, nonce + self._history_keys[self._history].encrypt(nonce, plaintext, beside)

    def unseal_history(self, number: int, sealed: bytes, beside: bytes) -> bytes:
        return self._history_keys[number].decrypt(sealed[:NONCE], sealed[NONCE:], beside)

    def audit_mac(self, data: bytes, number: int | None) -> tuple[int, bytes]:
        number = self._audit if number is None else number
        return number, self._audit_keys[number].digest(data)

    def _cipher(self, number: int, salt: bytes) -> AESGCM:
        return AESGCM(self._data_keys[number].digest(b"record" + salt))


def _opened(secret: bytes) -> RSAKey:
    # What the keyring's MAC vouches for need not be tried for primes again, which takes 50 ms.
    key = load_der_private_key(secret, None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, rsa.RSAPrivateKey)
    return RSAKey(key, key)
