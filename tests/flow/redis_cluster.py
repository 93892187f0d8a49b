"""A real Redis Cluster of six nodes, three masters with a replica each, from the server binary that cardnet bundles."""

import secrets
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from patience import AMPLE_S
from waiting import until

from cardnet.embedded_store.acl import ADMIN, acl_text
from cardnet.embedded_store.process import ServerProcess
from cardnet.embedded_store.server import find_server
from cardnet.errors import Unavailable
from cardnet.store import Store
from cardnet.store.slots import SLOTS

HOST = "127.0.0.1"
MASTERS, NODES = 3, 6

_NODE_TIMEOUT_MS = 10_000
"""Nodes tell each other news twice in this time. Who is silent for so long is suspected, and not replaced: a replica is
promoted when a test says so."""


class Server:
    """One node: a server process with data of its own."""

    def __init__(self, folder: Path, acl: str, password: str, port: int, bus: int) -> None:
        self.data = folder
        self.data.mkdir(mode=0o700)
        self.password = password
        self.port, self.bus = port, bus
        self._acl = folder.with_suffix(".acl")
        self._acl.touch(mode=0o600)
        self._acl.write_text(acl)
        self._log = (folder / "server.log").open("ab", buffering=0)
        self._arguments = self._settings()
        self.identifier = ""
        self.process: ServerProcess | None = None
        self.paused = False

    @property
    def takes_part(self) -> bool:
        return self.process is not None and not self.paused

    def start(self) -> None:
        command = [str(find_server().path), *self._arguments]
        self.process = ServerProcess(command, self.data.parent, self.data, self._log)

    def kill(self) -> None:
        process, self.process = self.process, None
        if process:
            process.end(signal.SIGKILL)

    def pause(self) -> None:
        """Stand still, with all connections open."""
        assert self.process
        self.process.pause()
        self.paused = True

    def come_back(self) -> None:
        """Whatever happened to it."""
        if self.process is None:
            self.start()
        elif self.paused:
            self.process.resume()
        self.paused = False

    def close(self) -> None:
        self.kill()
        self._log.close()

    async def ask(self, *command: str | bytes | int) -> Any:
        store = Store(f"redis://{ADMIN}:{self.password}@{HOST}:{self.port}", owner="test", timeout_s=AMPLE_S)
        try:
            return await store.command(*command)
        finally:
            await store.close()

    async def introduce(self, others: "Sequence[Server]") -> None:
        """Have it know the others at once: from hearsay it would learn of them in seconds."""
        for other in others:
            if other is not self:
                await self.ask("CLUSTER", "MEET", HOST, other.port, other.bus)

    async def info(self, section: str) -> dict[str, str]:
        lines = (await self.ask("INFO", section)).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    async def refusals(self, code: str) -> int:
        """How often it has answered with this error."""
        counts = await self.info("errorstats")
        return int(counts.get(f"errorstat_{code}", "count=0").partition("=")[2])

    def _settings(self) -> list[str]:
        chosen = {
            "bind": HOST,
            "port": self.port,
            "cluster-port": self.bus,
            "cluster-enabled": "yes",
            "cluster-node-timeout": _NODE_TIMEOUT_MS,
            "cluster-replica-no-failover": "yes",
            "cluster-allow-replica-migration": "no",
            "aclfile": self._acl,
            "masteruser": ADMIN,
            "masterauth": self.password,
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "repl-diskless-sync-delay": 0,
            "enable-debug-command": "no",
            "logfile": "",
        }
        return [word for name, value in chosen.items() for word in (f"--{name}", str(value))]


class RedisCluster:
    """Six servers. Which of them are masters may change; `heal` waits until all is well again."""

    def __init__(self, users: Sequence[str]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cardnet-cluster-"))
        self._kept = [_kept_port() for _ in range(2 * NODES)]
        self._passwords = {user: secrets.token_urlsafe(24) for user in users}
        admin = secrets.token_urlsafe(24)
        acl = acl_text(self._passwords, admin)
        ports = [kept.getsockname()[1] for kept in self._kept]
        self.servers = [Server(self.folder / f"node{n}", acl, admin, *ports[2 * n : 2 * n + 2]) for n in range(NODES)]

    def url(self, user: str) -> str:
        """The URL of a service: it names two nodes, and the others are to be found."""
        nodes = ",".join(f"{HOST}:{server.port}" for server in self.servers[1:3])
        return f"redis+cluster://{user}:{self._passwords[user]}@{nodes}"

    async def start(self) -> None:
        if sys.platform != "linux":  # elsewhere nobody listens at a port that somebody else has bound
            self._let_go_of_ports()
        for server in self.servers:
            server.start()
        for server in self.servers:
            await until(lambda server=server: _answers(server), "a node answers")
            server.identifier = (await server.ask("CLUSTER", "MYID")).decode()
        for number, master in enumerate(self.servers[:MASTERS]):
            share = range(number * SLOTS // MASTERS, (number + 1) * SLOTS // MASTERS)
            await master.ask("CLUSTER", "ADDSLOTSRANGE", share[0], share[-1])
            await master.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for server in self.servers:
            await server.introduce(self.servers)
        await self._all(_knows_all, "all know each other")
        for replica, master in zip(self.servers[MASTERS:], self.servers, strict=False):
            await replica.ask("CLUSTER", "REPLICATE", master.identifier)
        await self.heal()

    def stop(self) -> None:
        for server in self.servers:
            server.close()
        self._let_go_of_ports()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _let_go_of_ports(self) -> None:
        for kept in self._kept:
            kept.close()

    async def heal(self) -> None:
        """Bring back who is away, and wait until all say that all is well and each master has its replica."""
        for server in self.servers:
            server.come_back()
        await self._all(_answers, "every node answers")
        await self._all(_is_well, "the cluster is well")
        masters = await self.masters()
        assert len(masters) == MASTERS, masters

    async def masters(self) -> list[Server]:
        """The masters that serve slots, as they say themselves."""
        alive = [server for server in self.servers if server.takes_part]
        return [server for server in alive if (await server.info("replication"))["role"] == "master"]

    async def master_of(self, slot: int) -> Server:
        """Who serves a slot."""
        return (await self._range_of(slot))[0]

    async def first_of_range(self, slot: int) -> int:
        """The first of the slots up to this one that have the same master."""
        return (await self._range_of(slot))[1]

    async def _range_of(self, slot: int) -> tuple[Server, int]:
        for server in await self.masters():
            for first, last, (_, port, *_), *_ in await server.ask("CLUSTER", "SLOTS"):
                if port == server.port and first <= slot <= last:
                    return server, first
        raise AssertionError(f"nobody serves slot {slot}")

    async def replica_of(self, master: Server) -> Server:
        for server in self.servers:
            if server is not master and server.takes_part:
                state = await server.info("replication")
                if state["role"] == "slave" and int(state["master_port"]) == master.port:
                    return server
        raise AssertionError("it has no replica")

    async def other_than(self, master: Server) -> Server:
        return next(one for one in await self.masters() if one is not master)

    async def open_slot(self, slot: int, source: Server, target: Server) -> None:
        """Begin to move a slot: new keys go to the target, old ones follow one by one."""
        await target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.identifier)
        await source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target.identifier)

    async def move_keys(self, slot: int, source: Server, target: Server) -> None:
        """Move all keys of an open slot."""
        login = ("AUTH2", ADMIN, source.password)
        while keys := await source.ask("CLUSTER", "GETKEYSINSLOT", slot, 100):
            await source.ask("MIGRATE", HOST, target.port, "", 0, int(AMPLE_S * 1000), *login, "KEYS", *keys)

    async def close_slot(self, slot: int, target: Server) -> None:
        """End the move: the slot is the target's, and nobody waits for the news to spread."""
        others = [server for server in await self.masters() if server is not target]
        for server in (target, *others):
            await server.ask("CLUSTER", "SETSLOT", slot, "NODE", target.identifier)

    async def move_slot(self, slot: int, source: Server, target: Server) -> None:
        await self.open_slot(slot, source, target)
        await self.move_keys(slot, source, target)
        await self.close_slot(slot, target)

    async def keys(self, pattern: str = "*") -> dict[int, list[bytes]]:
        """The keys of each master, by its port."""
        return {server.port: await server.ask("KEYS", pattern) for server in await self.masters()}

    async def empty(self) -> None:
        for server in await self.masters():
            await server.ask("FLUSHALL")

    async def _all(self, look: Callable[[Server], Awaitable[bool]], what: str) -> None:
        for server in self.servers:
            await until(lambda server=server: look(server), what)


async def _answers(server: Server) -> bool:
    try:
        return bool(await server.ask("PING") == b"PONG")
    except Unavailable:
        return False


async def _knows_all(server: Server) -> bool:
    nodes = (await server.ask("CLUSTER", "NODES")).decode().splitlines()
    return len(nodes) == NODES and not any("handshake" in line for line in nodes)


async def _is_well(server: Server) -> bool:
    known = (await server.ask("CLUSTER", "INFO")).decode()
    state = await server.info("replication")
    linked = state.get("master_link_status") == "up" or int(state["connected_slaves"]) == 1
    return "cluster_state:ok" in known and linked


def _kept_port() -> socket.socket:
    """A port that nobody else is given, also while its node is dead: bound and not listened at.

    A server that says SO_REUSEADDR, as they all do, may listen there nonetheless; on Linux, that is.
    """
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind((HOST, 0))
    return kept
