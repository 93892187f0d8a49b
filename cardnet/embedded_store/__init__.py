"""The store that `cardnet up`, `cardnet demo` and the tests start for themselves: a real server behind a unix socket.

It is set up like a serious installation, so that what holds here holds there: every write is on disk before it is
acknowledged, and each service has a user of its own who sees the keys of no other.
"""

import atexit
import fcntl
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import BinaryIO, Final, Self
from urllib.parse import quote

from cardnet.embedded_store.acl import ADMIN, acl_text
from cardnet.embedded_store.process import ServerProcess
from cardnet.embedded_store.server import arguments, find_server, greet
from cardnet.errors import Unavailable

_PAUSES_S: Final = (*[0.005] * 40, *[0.05] * 600)
"""Between attempts to reach a server that starts: 30 s in all, since it may have a large file to read."""

_LOCKED_FOR_S: Final = (*[0.005] * 40, *[0.05] * 36)
"""Between attempts to lock the data: 2 s in all. Whoever was killed, and the server, take a moment to be gone."""


class EmbeddedStore:
    """A running server of our own, with a user for each service and an admin for tests.

    Starting takes some 50 ms and is no coroutine: command line, fixtures and testing kit start the store before any
    event loop runs. The server ends by `stop`, after a `with` block, or with this process, however that ends.
    """

    @classmethod
    def start(cls, data_dir: Path | None, users: Sequence[str]) -> Self:
        """Start a server whose data stay in data_dir/store or, without one, are thrown away in the end.

        users: the services; "issuer" gets the keys issuer:* and no others. Raises Unavailable with STORE_NOT_FOUND,
        STORE_IN_USE or STORE_CANNOT_START, and a sentence for people.
        """
        store = cls(data_dir, users)
        try:
            store.restart()
        except BaseException:
            store.stop()
            raise
        return store

    def __init__(self, data_dir: Path | None, users: Sequence[str]) -> None:
        self._server = find_server()
        self._passwords = {user: secrets.token_urlsafe(24) for user in users}
        admin_password = secrets.token_urlsafe(24)
        acl = acl_text(self._passwords, admin_password)
        self._passwords[ADMIN] = admin_password
        self._runtime = _runtime_folder()
        self._folder = data_dir.absolute() / "store" if data_dir else self._runtime / "data"
        self._socket = self._runtime / "store.sock"
        self._acl = self._runtime / "users.acl"
        self._acl.touch(mode=0o600)
        self._acl.write_text(acl)
        self._log: BinaryIO | None = None
        self._log_began = 0
        self._process: ServerProcess | None = None
        atexit.register(self._stop_at_exit, os.getpid())

    @property
    def version(self) -> str:
        """The server's version, such as "9.1.2"."""
        return self._server.version

    @property
    def server(self) -> str:
        """What runs, for people: "valkey 9.1.2 (bundled)"."""
        return f"{self._server.path.name.removesuffix('-server')} {self.version} ({self._server.source})"

    @property
    def admin_url(self) -> str:
        """The URL of the user who may do everything: for tests that dump, configure or flush."""
        return self.url(ADMIN)

    def url(self, user: str) -> str:
        """The URL with which a service reaches its store. It holds the password: never print it."""
        return f"unix://{user}:{self._passwords[user]}@{quote(str(self._socket))}?db=0"

    @property
    def process(self) -> ServerProcess:
        """The running server. Raises Unavailable with STORE_STOPPED when there is none."""
        if self._process is None:
            raise Unavailable("STORE_STOPPED", "the embedded store is not running")
        return self._process

    @property
    def state(self) -> str:
        """How the server is: "running", "paused" or "ended"."""
        if self._process is None or self._process.ended(0):
            return "ended"
        return "paused" if self._process.paused else "running"

    def restart(self) -> None:
        """Start the server again, or at first: the same data, socket, users and passwords."""
        self._end(signal.SIGTERM)
        log = self._log = self._log or _locked_log(self._folder)
        self._log_began = log.seek(0, os.SEEK_END)
        command = [str(self._server.path), *arguments(self._socket, self._acl)]
        self._process = ServerProcess(command, self._runtime, self._folder, log)
        for pause_s in _PAUSES_S:
            if greet(self._socket, ADMIN, self._passwords[ADMIN]):
                return
            if self._process.ended(pause_s):
                break
        raise Unavailable("STORE_CANNOT_START", f"the embedded store does not start; it said: {self.last_words()}")

    def last_words(self) -> str:
        """What the server said last, in its log, since it was started: for when it ended by itself."""
        said = (self._folder / "store.log").read_bytes()[self._log_began :].decode(errors="replace").strip()
        return said.splitlines()[-1] if said else "nothing"

    def kill(self) -> None:
        """SIGKILL, as in a crash."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """SIGSTOP: the server keeps its connections and answers nothing. Returns when it stands still."""
        self.process.pause()

    def resume(self) -> None:
        """SIGCONT, after `pause`."""
        self.process.resume()

    def stop(self) -> None:
        """End the server and remove what is not to stay. May be called twice."""
        atexit.unregister(self._stop_at_exit)
        thrown_away = self._folder.is_relative_to(self._runtime)
        self._end(signal.SIGKILL if thrown_away else signal.SIGTERM)  # an orderly end takes 0.1 s
        if self._log:
            self._log.close()
        shutil.rmtree(self._runtime, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process:
            process.end(how)

    def _stop_at_exit(self, owner: int) -> None:
        if os.getpid() == owner:  # a fork of us comes by here, too
            self.stop()


def _runtime_folder() -> Path:
    """A new folder for us alone, with a short name: a unix socket's path ends at 108 bytes, on macOS at 104."""
    preferred = os.environ.get("XDG_RUNTIME_DIR", "")
    usable = 0 < len(preferred) < 64 and os.access(preferred, os.W_OK)
    return Path(tempfile.mkdtemp(prefix="cardnet-", dir=preferred if usable else "/tmp"))  # noqa: S108 - it is made safely


def _locked_log(folder: Path) -> BinaryIO:
    """The server's log, locked. The lock lasts as long as we or the server have it open, so it outlives our crash."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = (folder / "store.log").open("ab", buffering=0)
    for pause_s in (*_LOCKED_FOR_S, 0.0):
        with suppress(BlockingIOError):
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return log
        Event().wait(pause_s)
    log.close()
    raise Unavailable(
        "STORE_IN_USE",
        "the data directory is in use by another cardnet: stop that one, or choose another directory",
    )
