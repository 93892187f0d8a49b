"""Files for their owner alone (mode 0600): secrets that are not for a screen, and copies of the vault."""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from cardnet.errors import InvalidField

_KEK = re.compile(r"[0-9a-f]{64}")

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


def check_new(option: str, path: Path) -> None:
    """InvalidField names the option if there is such a file, or no folder for it: before anything is asked."""
    if path.exists() or path.is_symlink():
        raise InvalidField(option, "must name a new file: there is one of that name")
    if not path.parent.is_dir():
        raise InvalidField(option, "must be in a folder that is there")


def write_new(option: str, path: Path, text: str) -> None:
    """Write a new file and one line into it, on the disk when this returns. InvalidField if the name is taken."""
    check_new(option, path)
    with os.fdopen(os.open(path, _NEW, 0o600), "w") as file:
        file.write(f"{text}\n")
        file.flush()
        os.fsync(file.fileno())


def kek_in(file: Path) -> str:
    """The key-encryption key in a file; InvalidField if there is none."""
    text = file.read_text(encoding="ascii", errors="replace").strip()
    if not _KEK.fullmatch(text):
        raise InvalidField("kek-file", "must hold a key-encryption key: 64 lower-case hexadecimal digits")
    return text


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A file that appears under its name when all of it is written and on the disk; nothing of it if that fails."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(new, _NEW, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
