"""The keyring: every key of the vault by its purpose, and how it is kept where the store's keeper cannot read it.

One value in the store holds all keys, each wrapped by the key-encryption key (AES key wrap with padding, NIST
SP 800-38F), and under a MAC what stands beside them: numbers, states, dates. It is replaced as a whole, by
compare-and-set. The numbers of purposes and states are those of protos/cardnet/cde/v1/token_operator.proto.
"""

import hmac
import json
import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import IntEnum
from importlib import resources
from typing import Any

from cryptography.hazmat.primitives.keywrap import aes_key_unwrap_with_padding, aes_key_wrap_with_padding

from cardnet.store import Store
from services.tsp.kek import derived

LIBRARY = resources.files("services.tsp").joinpath("keyring.lua").read_text()

PLACE = "tsp:{keyring}:keys"
_SCHEMA = "cardnet.keyring.v1"


class Purpose(IntEnum):
    """What a key is for."""

    ENCRYPTION = 1
    """The key-encryption key: counted here, and never kept here."""
    DATA = 2
    PAN_INDEX = 3
    TOKEN_INDEX = 4
    CRYPTOGRAM = 5
    AUDIT = 6
    HISTORY = 7
    CARD = 8


class KeyState(IntEnum):
    """What a key is used for now."""

    PREPARED = 1
    """Told to every instance, so that none meets it unprepared."""
    PRIMARY = 2
    READING = 3
    DESTROYED = 4


LENGTHS = {
    Purpose.DATA: 32,
    Purpose.PAN_INDEX: 32,
    Purpose.TOKEN_INDEX: 32,
    Purpose.CRYPTOGRAM: 16,
    Purpose.AUDIT: 32,
    Purpose.HISTORY: 32,
}
"""The symmetric keys and their lengths in bytes."""


class VaultShut(Exception):  # noqa: N818 - it names what is so, and the caller decides whom that is a fault to
    """Why the vault stays sealed, in a sentence that says what to do."""


class WrongKek(VaultShut):
    """The key-encryption key is not this vault's."""

    def __init__(self) -> None:
        super().__init__(
            "the key-encryption key is not this vault's: give the one under which its keys were wrapped last"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key. Print it freely: it hides its bytes."""

    purpose: Purpose
    number: int
    """Within its purpose, from 1 on."""
    state: KeyState
    created_at: str
    """ISO 8601, UTC, to the second."""
    since_ms: int
    """When it came into its state, in milliseconds since 1970."""
    settled: bool = False
    """Whether its rotation is over although it can still be read with."""
    secret: bytes = field(default=b"", repr=False)
    """Empty once destroyed, and for the key-encryption key."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """All keys that the vault ever had, those destroyed without their bytes. Changes make a new one."""

    vault: str
    """Drawn with the first keys: tells this vault from any other."""
    revision: int
    """Goes up by one with every change."""
    keys: tuple[Key, ...]

    def of(self, purpose: Purpose) -> tuple[Key, ...]:
        """The keys of a purpose that can be used: the primary first, then those for reading, then one prepared."""
        live = (key for key in self.keys if key.purpose is purpose and key.state is not KeyState.DESTROYED)
        return tuple(sorted(live, key=lambda key: _ORDER[key.state]))

    def entering(self, purpose: Purpose) -> tuple[Key, ...]:
        """The keys of a purpose under whose names something new is entered: the primary, then one prepared."""
        return tuple(key for key in self.of(purpose) if key.state is not KeyState.READING)

    def in_state(self, purpose: Purpose, state: KeyState) -> tuple[Key, ...]:
        """The keys of a purpose in a state."""
        return tuple(key for key in self.keys if key.purpose is purpose and key.state is state)

    def primary(self, purpose: Purpose) -> Key:
        """The key with which everything new is made."""
        (key,) = self.in_state(purpose, KeyState.PRIMARY)
        return key

    def with_prepared(self, purpose: Purpose, secret: bytes, now: datetime) -> "Keyring":
        """With one more key, which is used for nothing yet."""
        number = 1 + max((key.number for key in self.keys if key.purpose is purpose), default=0)
        key = Key(
            purpose=purpose,
            number=number,
            state=KeyState.PREPARED,
            created_at=f"{now:%Y-%m-%dT%H:%M:%SZ}",
            since_ms=_ms(now),
            secret=secret,
        )
        return self._next((*self.keys, key))

    def with_promoted(self, purpose: Purpose, now: datetime) -> "Keyring":
        """With the prepared key, if there is one, in the place of the primary one, which is for reading then."""
        if self.of(purpose) and not self.in_state(purpose, KeyState.PREPARED):
            return self
        becomes = {KeyState.PREPARED: KeyState.PRIMARY, KeyState.PRIMARY: KeyState.READING}
        return self._next(
            tuple(
                replace(key, state=becomes[key.state], since_ms=_ms(now))
                if key.purpose is purpose and key.state in becomes
                else key
                for key in self.keys
            )
        )

    def with_settled(self, old: tuple[Key, ...]) -> "Keyring":
        """With the rotation over that replaced these keys, although they are still there for reading."""
        return self._next(tuple(replace(key, settled=True) if key in old else key for key in self.keys))

    def with_destroyed(self, gone: tuple[Key, ...], now: datetime) -> "Keyring":
        """Without the bytes of these keys."""
        return self._next(
            tuple(
                replace(key, state=KeyState.DESTROYED, since_ms=_ms(now), secret=b"") if key in gone else key
                for key in self.keys
            )
        )

    def with_new_kek(self, now: datetime) -> "Keyring":
        """With the key-encryption key counted one on."""
        next_one = self.with_prepared(Purpose.ENCRYPTION, b"", now).with_promoted(Purpose.ENCRYPTION, now)
        gone = next_one.in_state(Purpose.ENCRYPTION, KeyState.READING)
        return replace(next_one.with_destroyed(gone, now), revision=self.revision + 1)

    def _next(self, keys: tuple[Key, ...]) -> "Keyring":
        return replace(self, revision=self.revision + 1, keys=keys)


_ORDER = {KeyState.PRIMARY: 0, KeyState.READING: 1, KeyState.PREPARED: 2}


def new_keyring(now: datetime) -> Keyring:
    """A keyring with a first key for every purpose but the card's, which takes its time to make."""
    ring = Keyring(secrets.token_hex(16), 0, ())
    for purpose in (Purpose.ENCRYPTION, *LENGTHS):
        ring = ring.with_prepared(purpose, new_secret(purpose), now).with_promoted(purpose, now)
    return replace(ring, revision=1)


def new_secret(purpose: Purpose) -> bytes:
    """The bytes of a new symmetric key, from the operating system's chance."""
    return secrets.token_bytes(LENGTHS.get(purpose, 0))


def wrapped(ring: Keyring, kek: bytes) -> bytes:
    """The keyring as the store may have it."""
    document = {
        "schema": _SCHEMA,
        "kek": _check(kek),
        "vault": ring.vault,
        "revision": ring.revision,
        "keys": [_wrapped_key(key, kek) for key in ring.keys],
    }
    body = json.dumps(document, separators=(",", ":")).encode()
    return body + b"\n" + _mac(body, kek).encode()


def unwrapped(held: bytes, kek: bytes) -> Keyring:
    """The keyring that the store has. WrongKek, or VaultShut if it is not as this vault wrote it."""
    body, _, mac = held.partition(b"\n")
    try:
        document = json.loads(body)
        if document["schema"] != _SCHEMA:
            raise ValueError
        if document["kek"] != _check(kek):
            raise WrongKek
        if not hmac.compare_digest(mac, _mac(body, kek).encode()):
            raise ValueError
        return Keyring(document["vault"], document["revision"], tuple(_key(key, kek) for key in document["keys"]))
    except (ValueError, KeyError, TypeError):
        raise VaultShut(
            f"the keyring in the store ({PLACE}) is not as this vault wrote it: restore the store from a backup"
        ) from None


class RedisKeyring:
    """Where the keyring is kept. Every method raises Unavailable when the store does not answer."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def read(self) -> bytes:
        """The keyring as it is kept; empty where there is none."""
        return bytes(await self._store.command("GET", PLACE) or b"")

    async def replace(self, held: bytes, wanted: bytes) -> bytes:
        """Put a keyring in the place of another one, or of none. Answers the one that is there then."""
        return bytes(await self._store.call("tsp_replace_keyring", [PLACE], [held, wanted]))


def _wrapped_key(key: Key, kek: bytes) -> dict[str, Any]:
    return {
        "purpose": key.purpose.name,
        "number": key.number,
        "state": key.state.name,
        "created_at": key.created_at,
        "since_ms": key.since_ms,
        "settled": key.settled,
        "wrapped": aes_key_wrap_with_padding(kek, key.secret).hex() if key.secret else "",
    }


def _key(kept: dict[str, Any], kek: bytes) -> Key:
    held = bytes.fromhex(kept["wrapped"])
    return Key(
        purpose=Purpose[kept["purpose"]],
        number=kept["number"],
        state=KeyState[kept["state"]],
        created_at=kept["created_at"],
        since_ms=kept["since_ms"],
        settled=kept["settled"],
        secret=aes_key_unwrap_with_padding(kek, held) if held else b"",
    )


def _check(kek: bytes) -> str:
    """Tells one key-encryption key from another, so that a wrong one and a damaged keyring get different sentences."""
    return derived(kek, b"check")[:8].hex()


def _mac(body: bytes, kek: bytes) -> str:
    return hmac.digest(derived(kek, b"keyring"), body, "sha256").hex()


def _ms(now: datetime) -> int:
    return int(now.timestamp() * 1000)
