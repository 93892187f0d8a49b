"""A cluster of two nodes, played: it changes when a test says so, and counts what it is asked."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from patience import AMPLE_S
from store_actor import Actor, Part

from cardnet.errors import Unavailable
from cardnet.store import Store
from cardnet.store.slots import SLOTS, slot_of
from cardnet.testing.ports import Ports

HOST = "127.0.0.1"
KEY = "issuer:{a}:account"
SLOT = slot_of(KEY)
HERE = b"$4\r\nhere\r\n"


class Node:
    """An actor at a port. `plays` may be changed while it plays."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.tls = tls
        self.actor = Actor(self._part)
        self.plays: Part = lambda command: HERE
        self.cluster: Cluster
        self.ports = Ports()  # its own also while it is away: nobody else may get it
        self.port = int(self.ports.take().rpartition(":")[2])

    @property
    def heard(self) -> list[list[bytes]]:
        """What it was asked, but for who serves what and whether it is well."""
        return [command for command in self.actor.heard if command[0] not in (b"CLUSTER", b"PING")]

    def _part(self, command: list[bytes]) -> bytes | None:
        if command == [b"CLUSTER", b"SLOTS"]:
            return self.cluster.slots()
        if command == [b"PING"]:
            return b"+PONG\r\n"
        return self.plays(command)

    def leave(self) -> None:
        """Hang up on everybody and listen no more."""
        self.server.close()
        for writer in self.actor.writers:
            writer.transport.abort()

    async def enter(self) -> None:
        self.server = await asyncio.start_server(self.actor.meet, HOST, self.port, ssl=self.tls, reuse_port=True)


class Cluster:
    """Two nodes. One is the master of all slots and the other its replica, as `master` says."""

    def __init__(self, store: Store, nodes: list[Node]) -> None:
        self.store = store
        self.first, self.second = nodes
        self.master = self.first
        self.host = HOST
        self.last_slot = SLOTS - 1

    def slots(self) -> bytes:
        replica = self.second if self.master is self.first else self.first
        nodes = b"".join(
            b"*4\r\n$%d\r\n%s\r\n:%d\r\n$2\r\nid\r\n*0\r\n" % (len(self.host), self.host.encode(), node.port)
            for node in (self.master, replica)
        )
        return b"*1\r\n*4\r\n:0\r\n:%d\r\n%s" % (self.last_slot, nodes)

    def at(self, node: Node, kind: str) -> bytes:
        return f"-{kind} {SLOT} {HOST}:{node.port}\r\n".encode()

    async def get(self) -> object:
        return await self.store.command("GET", KEY)

    async def get_or_fault(self) -> object:
        try:
            return await self.get()
        except Unavailable as fault:
            return fault

    async def fault(self) -> Unavailable:
        with pytest.raises(Unavailable) as fault:
            await self.get()
        return fault.value


@asynccontextmanager
async def playing(
    timeout_s: float = AMPLE_S,
    library: str = "",
    tls: tuple[ssl.SSLContext | None, ...] = (None, None),
    trusted: str = "",
) -> AsyncIterator[Cluster]:
    """tls: what each node shows, if anything. trusted: the file with whom the store trusts then."""
    nodes = [Node(shown) for shown in tls]
    for node in nodes:
        await node.enter()
    seeds = ",".join(f"{HOST}:{node.port}" for node in nodes)
    url = f"rediss+cluster://{seeds}?ssl_ca_certs={trusted}" if trusted else f"redis+cluster://{seeds}"
    store = Store(url, library, owner="issuer", timeout_s=timeout_s)
    cluster = Cluster(store, nodes)
    for node in nodes:
        node.cluster = cluster
    try:
        yield cluster
    finally:
        await store.close()
        for node in nodes:
            node.leave()
            await asyncio.gather(*node.actor.conversations)
            node.ports.release()
