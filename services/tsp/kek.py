"""Where the key-encryption key comes from: the one key that is kept apart from everything that it opens.

It wraps the keyring (services/tsp/keyring.py) and is never in the store. Given by a setting, by a file that its owner
alone can read, or by a provider of your own, such as one that asks a key management service. Without any, the vault
stays sealed until the operator brings the key.
"""

import hmac
import os
import re
import secrets
import tempfile
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from cardnet.config import SettingMissing

LENGTH = 32
"""Bytes: AES-256."""

_HEX_KEY = re.compile(r"[0-9a-fA-F]{64}")


class KekProvider(Protocol):
    """Gives the key-encryption key: the interface for a provider of your own."""

    async def key(self) -> bytes:
        """The key, 32 bytes. May raise anything: the vault then stays sealed, and the log says what was raised."""
        ...


class KekGiven:
    """A key-encryption key that a setting gave."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    async def key(self) -> bytes:
        return self._key


class KekFile:
    """A key-encryption key in a file of 64 hexadecimal digits. Raises SettingMissing when the file is of no use.

    Where the key is rotated, the new one first stands beside the file, then takes its place: a crash in between loses
    neither.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = path.with_name(f"{path.name}.next")

    async def key(self) -> bytes:
        return _read(self._path)

    def next_key(self) -> bytes | None:
        """The key of a rotation that was begun and perhaps not finished."""
        try:
            return _read(self._next)
        except SettingMissing:
            if self._next.exists():
                raise
            return None

    def prepare(self, key: bytes) -> None:
        """Put the next key beside the file. OSError where nothing can be written there."""
        self._next.unlink(missing_ok=True)
        _write_once(self._next, key)

    def settle(self, key: bytes) -> None:
        """The next key is the key now, if this is the next key; another instance may have settled it."""
        with suppress(FileNotFoundError):
            if self.next_key() == key:
                self._next.replace(self._path)


def kek_provider(kek: str, file: str, create: bool, provider: str) -> KekProvider | None:
    """What the settings name; None where they name nothing. SettingMissing says which setting is of no use, and why.

    create: whether a file that is not there is written, with a new key.
    """
    if sum(map(bool, (kek, file, provider))) > 1:
        raise SettingMissing(
            "only one of CARDNET_TSP_KEK, CARDNET_TSP_KEK_FILE and CARDNET_TSP_KEK_PROVIDER may be set"
        )
    if kek:
        return KekGiven(_parsed(kek, "CARDNET_TSP_KEK must be 64 hexadecimal digits: an AES-256 key"))
    if file:
        return _file(Path(file), create)
    return _named(provider) if provider else None


def derived(kek: bytes, purpose: bytes) -> bytes:
    """A key of 32 bytes that the key-encryption key gives for another purpose than to wrap keys."""
    return hmac.digest(kek, b"cardnet." + purpose, "sha256")


def _file(path: Path, create: bool) -> KekFile:
    if not path.exists():
        if not create:
            raise SettingMissing(
                f"CARDNET_TSP_KEK_FILE: {path} is not there: put the vault's key there, or set "
                "CARDNET_TSP_KEK_FILE_CREATE=1 to have one made for a new vault"
            )
        if not path.parent.is_dir():
            raise SettingMissing(f"CARDNET_TSP_KEK_FILE is to be in {path.parent}, which is no folder: make it first")
        _write_once(path, secrets.token_bytes(LENGTH))
    _read(path)  # whatever is wrong shows at the start
    return KekFile(path)


def _named(provider: str) -> KekProvider:
    module, _, name = provider.partition(":")
    try:
        made = getattr(import_module(module), name)()
    except (ImportError, AttributeError, ValueError, TypeError):
        made = None
    if not callable(getattr(made, "key", None)):
        raise SettingMissing(
            "CARDNET_TSP_KEK_PROVIDER must be module:callable, whose result has `async def key() -> bytes`"
        )
    return cast(KekProvider, made)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_mode & 0o077:
            raise SettingMissing(f"CARDNET_TSP_KEK_FILE can be read by others: run chmod 600 {path}")
        text = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise SettingMissing(f"CARDNET_TSP_KEK_FILE: {path} cannot be read: see that it is a file of yours") from None
    return _parsed(text, f"CARDNET_TSP_KEK_FILE: {path} must hold 64 hexadecimal digits and nothing else")


def _parsed(text: str, sentence: str) -> bytes:
    if not _HEX_KEY.fullmatch(text):
        raise SettingMissing(sentence)
    return bytes.fromhex(text)


def _write_once(path: Path, key: bytes) -> None:
    # Linked into place when it is whole: of several that start at once one writes, and none reads half a key.
    descriptor, whole = tempfile.mkstemp(dir=path.parent)  # for us alone: 0600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as draft:
            draft.write(f"{key.hex()}\n")
            draft.flush()
            os.fsync(draft.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(whole)
    finally:
        Path(whole).unlink()
