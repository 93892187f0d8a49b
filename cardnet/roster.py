"""What a network that runs leaves for commands on the same machine: where it is, and the identities to ask it with.

A file for each network, named after its merchant's port, in a folder that its user alone may enter. The network holds
a lock on it for as long as it lives, however it ends: a file that can be locked is of a network that is gone.
"""

import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from cardnet.certificates import Identity
from cardnet.errors import Unavailable
from cardnet.identity import COLLECTOR, Door, door_of


@dataclass(frozen=True, kw_only=True)
class Roster:
    """One network."""

    services: Mapping[str, str]
    """Each service's host:port."""
    admin: Mapping[str, str] = field(default_factory=dict)
    """The host:port of each admin door."""
    collector: str = ""
    """Where traces are asked for: host:port or unix:/path."""
    console: str = ""
    """What browsers call its console; empty where it has none."""
    faults: bool = False
    """Whether its services may be stopped and started on the console."""
    identities: str = ""
    """The folder of identities (cardnet/certificates.py), one for each name; empty where all is plain text."""
    clock_file: str = ""
    """The file of its SharedClock; empty where its clock cannot be moved."""
    frozen_at: str = ""
    """Where its clock stood at first; empty where it runs."""
    audit_file: str = ""
    """The token service provider's audit log."""
    kek_file: str = ""
    """The file of its key-encryption key."""
    vault_store: str = field(default="", repr=False)
    """The store of its vault, with the password: there the keys are, wrapped."""

    def address(self, service: str, as_: str) -> str:
        """Where somebody asks a service, or the collector. Unavailable where there is no such door."""
        if service == COLLECTOR:
            return self.collector
        doors = self.admin if door_of(as_) is Door.ADMIN else self.services
        if service not in doors:
            raise Unavailable("NO_SUCH_DOOR", f"the {service} of this network has no {door_of(as_)} door")
        return doors[service]

    def presented(self, as_: str) -> Identity | str:
        """What somebody shows who asks: an identity, or a mere name in plain text. Unavailable if there is none."""
        if not self.identities:
            return as_
        folder = Path(self.identities, as_)
        if not folder.is_dir():
            raise Unavailable("NO_IDENTITY", f"{self.identities} has no identity of the {as_}: ask as another")
        return Identity(folder)

    def page_of(self, trace_id: str) -> str:
        """Where an authorisation is to be seen in a browser; empty where the network has no console."""
        return f"{self.console}/authorisations/{trace_id}" if self.console and trace_id else ""

    @property
    def levers(self) -> str:
        """Where its services are stopped and started in a browser; empty where they cannot be."""
        return f"{self.console}/topology" if self.console and self.faults else ""

    @property
    def port(self) -> int:
        """The merchant's port, by which the network is named."""
        return int(self.services["merchant"].rpartition(":")[2])


class PostedRoster:
    """A roster that others can find, until it is taken down or its process ends."""

    def __init__(self, roster: Roster) -> None:
        """Post it. Unavailable if the folder is not the user's alone."""
        self._path = _path(roster.port)
        with _folder_locked():
            descriptor, new = tempfile.mkstemp(prefix=".new-", dir=self._path.parent)  # 0600, and never inherited
            self._file = os.fdopen(descriptor, "w")
            json.dump(asdict(roster), self._file)
            self._file.flush()
            fcntl.flock(self._file, fcntl.LOCK_EX)
            Path(new).replace(self._path)

    def take_down(self) -> None:
        """Remove it."""
        with _folder_locked(), self._file:
            if _same(self._file.fileno(), self._path):
                self._path.unlink()


def find(port: int) -> Roster | None:
    """The network whose merchant listens at this port; None where none of this user's does."""
    return _read(_path(port))


def ports() -> list[int]:
    """The ports of all networks of this user that run."""
    return [roster.port for roster in all_of_them()]


def all_of_them() -> list[Roster]:
    """All networks of this user that run, by their ports."""
    found = [roster for path in _folder().glob("[0-9]*.json") if (roster := _read(path))]
    return sorted(found, key=lambda roster: roster.port)


def _read(path: Path) -> Roster | None:
    with suppress(FileNotFoundError), path.open() as file:
        if not _held(file.fileno()):
            _remove(file.fileno(), path)
            return None
        # Networks of other versions may say more than this one knows.
        known, members = json.load(file), {member.name for member in fields(Roster)}
        return Roster(**{name: value for name, value in known.items() if name in members})
    return None


def _held(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _remove(descriptor: int, path: Path) -> None:
    """Remove what a network that is gone has left, and not what another put in its place meanwhile."""
    with _folder_locked():
        if _same(descriptor, path):
            path.unlink()


def _same(descriptor: int, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


def _path(port: int) -> Path:
    return _folder() / f"{port}.json"


def _folder() -> Path:
    """The folder, made if it is not there. Unavailable if others may enter or own it: it is to hold credentials."""
    session = os.environ.get("XDG_RUNTIME_DIR", "")
    if session and Path(session).is_dir():
        folder = Path(session, "cardnet")
    else:
        folder = Path(tempfile.gettempdir(), f"cardnet-{os.getuid()}")
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()  # of the name itself: a link may lead to a folder of somebody else's choice
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise Unavailable(
            "ROSTER_FOLDER_UNSAFE",
            f"{folder} must be a folder of yours that nobody else may enter (mode 0700): remove it, or set "
            "XDG_RUNTIME_DIR to a folder of your own",
        )
    return folder


@contextmanager
def _folder_locked() -> Iterator[Any]:
    """One at a time posts or removes."""
    with (_folder() / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
