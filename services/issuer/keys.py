"""The issuer's keys: the account key, given or kept in a file that the first issuer writes, and what comes from it."""

import hmac
import os
import re
import secrets
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cardnet.config import SettingMissing


@dataclass(frozen=True, slots=True, repr=False)
class PasscodeKeys:
    """The keys under which passcodes are kept, 32 bytes each."""

    naming: bytes
    """Names and tells passcodes apart: whoever has the store alone cannot try a million of them."""
    sealing: bytes
    """Encrypts what the cardholder was sent, so that the simulated telephone can show it."""

    @classmethod
    def derive(cls, account_key: bytes) -> "PasscodeKeys":
        """The keys that belong to an account key: whoever keeps that one has these as well."""
        naming, sealing = (
            hmac.digest(account_key, f"cardnet issuer passcode {purpose}".encode(), "sha256")
            for purpose in ("naming", "sealing")
        )
        return cls(naming, sealing)


def account_key(given: str, file: str) -> bytes:
    """The key that is given, else the file's, which is written if it is not there, else one for this run alone.

    SettingMissing if it is not 64 hexadecimal digits, or if the file's folder is not there or others can read the file.
    """
    if given:
        return key_of("ACCOUNT_KEY", given, 32)
    if file:
        return key_of("KEYS_FILE", _kept(Path(file)), 32)
    return secrets.token_bytes(32)


def key_of(setting: str, text: str, length: int) -> bytes:
    """A key of `length` bytes from its hexadecimal digits; SettingMissing names the setting that they come from."""
    if not re.fullmatch(rf"[0-9a-fA-F]{{{2 * length}}}", text):
        raise SettingMissing(f"CARDNET_ISSUER_{setting} must give a key of {2 * length} hexadecimal digits")
    return bytes.fromhex(text)


def _kept(file: Path) -> str:
    if not file.parent.is_dir():
        raise SettingMissing(f"CARDNET_ISSUER_KEYS_FILE is to be in {file.parent}, which is no folder: make it first")
    if not file.exists():
        _write_once(file, f"{secrets.token_hex(32)}\n")
    if file.stat().st_mode & 0o077:
        raise SettingMissing(f"CARDNET_ISSUER_KEYS_FILE can be read by others: run chmod 600 {file}")
    return file.read_text("utf-8").strip()


def _write_once(file: Path, text: str) -> None:
    # Linked into place when it is whole: of several issuers that start at once one writes, and none reads half a key.
    descriptor, whole = tempfile.mkstemp(dir=file.parent)  # for us alone: 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as draft:
            draft.write(text)
            draft.flush()
            os.fsync(draft.fileno())
        with suppress(FileExistsError):  # another issuer was faster, and its key counts
            file.hardlink_to(whole)
    finally:
        Path(whole).unlink()
