"""The keys of the token service provider: one for each purpose, all from the operating system's chance.

They stay in this process and, where a file is named, in that file; never in the store. Whoever has store and keys has
the cards.
"""

import asyncio
import hmac
import json
import os
import re
import secrets
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc.jwk import RSAKey

from cardnet.card import Pan, PaymentToken
from cardnet.config import SettingMissing
from cardnet.cryptogram import CryptogramKey

_LENGTHS = {"data_key": 32, "pan_index_key": 32, "token_index_key": 32, "fingerprint_key": 32, "cryptogram_key": 16}
"""The symmetric keys and their lengths in bytes."""

_CRYPTOGRAM_KEY_INDEX = 1
_HEX_KEY = re.compile(r"[0-9A-Fa-f]{32}")
_FILE_UNUSABLE = "CARDNET_TSP_KEYS_FILE must name a file that this service wrote and only its owner can read (0600)"


class CardKey:
    """The key that cards are encrypted to: RSA, 2,048 bits."""

    def __init__(self, key: RSAKey) -> None:
        self.id = key.thumbprint()  # RFC 7638: another key has another name
        self.public = key.as_pem(private=False).decode()
        self.private = {self.id: key}


class KeySet:
    """All keys, the keyed objects kept: keying anew costs twice as much as using."""

    def __init__(self, id_: str, keys: dict[str, bytes], card_key: "Future[CardKey]") -> None:
        """id_: names the set in every record. card_key: is being made or read meanwhile, for that takes 70 ms."""
        self.id = id_
        self.data = AESGCM(keys["data_key"])
        self.cryptogram = CryptogramKey(keys["cryptogram_key"], _CRYPTOGRAM_KEY_INDEX)
        self._pan_index = hmac.new(keys["pan_index_key"], digestmod="sha256")
        self._token_index = hmac.new(keys["token_index_key"], digestmod="sha256")
        self._fingerprint = hmac.new(keys["fingerprint_key"], digestmod="sha256")
        self._card_key = card_key

    def name_of_pan(self, pan: Pan) -> str:
        """What the store calls a PAN: 32 hexadecimal digits, of no meaning without the key."""
        return _name(self._pan_index, pan.reveal().encode())

    def name_of_token(self, token: PaymentToken) -> str:
        """What the store calls a token, likewise."""
        return _name(self._token_index, token.reveal().encode())

    def fingerprint(self, message: bytes) -> str:
        """What tells one message from another without keeping it."""
        return _name(self._fingerprint, message)

    async def card_key(self) -> CardKey:
        """The key that cards are encrypted to."""
        return await asyncio.wrap_future(self._card_key)


def open_keys(file: str, cryptogram_key: str) -> KeySet:
    """The keys in a file, which is written if it is not there; without a file, keys that end with this process.

    cryptogram_key: 32 hexadecimal digits that take the place of the set's own, so that an issuer can hold them too;
    or empty. SettingMissing says what is wrong with either.
    """
    stored = _stored(Path(file)) if file else _drawn()
    try:
        keys = {name: bytes.fromhex(stored[name]) for name in _LENGTHS}
        if {name: len(key) for name, key in keys.items()} != _LENGTHS:
            raise ValueError
        id_ = stored["id"]
    except (KeyError, ValueError, TypeError, AttributeError):
        raise SettingMissing(_FILE_UNUSABLE) from None
    if cryptogram_key:
        if not _HEX_KEY.fullmatch(cryptogram_key):
            raise SettingMissing("CARDNET_CRYPTOGRAM_KEY must be 32 hexadecimal digits: an AES-128 key")
        keys["cryptogram_key"] = bytes.fromhex(cryptogram_key)
    return KeySet(id_, keys, _in_thread(stored.get("card_key", "")))


def _drawn() -> dict[str, str]:
    return {"id": "k1"} | {name: secrets.token_hex(length) for name, length in _LENGTHS.items()}


def _stored(path: Path) -> dict[str, str]:
    if not path.exists():
        _write_once(path, _drawn() | {"card_key": _new_card_key().as_pem(private=True).decode()})
    if path.stat().st_mode & 0o077:
        raise SettingMissing(_FILE_UNUSABLE)
    try:
        stored: dict[str, str] = json.loads(path.read_text())
    except ValueError:
        raise SettingMissing(_FILE_UNUSABLE) from None
    return stored


def _write_once(path: Path, keys: dict[str, str]) -> None:
    """Write the file whole or not at all; of several processes that start together, the first one's stays."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(keys, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)  # fails where the name is taken, as O_EXCL does, but never shows half a file
    finally:
        draft.unlink(missing_ok=True)


def _in_thread(pem: str) -> "Future[CardKey]":
    thread = ThreadPoolExecutor(1)
    future = thread.submit(lambda: CardKey(RSAKey.import_key(pem) if pem else _new_card_key()))
    thread.shutdown(wait=False)
    return future


def _new_card_key() -> RSAKey:
    return RSAKey.generate_key(2048, private=True)


def _name(keyed: hmac.HMAC, text: bytes) -> str:
    mac = keyed.copy()
    mac.update(text)
    return mac.digest()[:16].hex()
