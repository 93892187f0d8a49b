"""What is measured: one TSP process with its real store, and an empty one beside it. Their issuer always says yes."""

import os
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from google.protobuf.message import Message

from bench.child import Child
from bench.wire import UnaryClient
from cardnet.client import Channel
from cardnet.embedded_store import EmbeddedStore
from cardnet.env import Env
from cardnet.store import Store
from cardnet.testing.ports import Ports
from cardnet.testing.processes import ServiceProcess
from cardnet.testing.wiring import Wiring
from cardnet.wire import CLAIM_KEY, GrpcLink
from services.tsp import keyring, vault
from services.tsp.keys import KeySet

A = TypeVar("A", bound=Message)


class House:
    """A TSP, its store and its keys, which the bench has too. Made by `housed`."""

    def __init__(self, store: EmbeddedStore, folder: Path, issuer: Child, issuer_at: str, empty: Child) -> None:
        self.empty = empty
        self.empty_at = ""
        self.server = store
        self.store = Store(store.url("tsp"), vault.LIBRARY, keyring.LIBRARY, owner="bench", timeout_s=30)
        self._admin = Store(store.admin_url, owner="bench", timeout_s=30)
        self._issuer = issuer
        self._issuer_at = issuer_at
        self._folder = folder
        self._ports = Ports()
        self._address, self._admin_address = self._ports.take(), self._ports.take()
        self._kek, self._cryptogram_key = secrets.token_hex(32), secrets.token_hex(16)
        self._logs = 0
        self._wiring = self._wired()
        self._tsp = self._process()
        self.keys = KeySet(self.store, Env.of("bench").clock, self._cryptogram_key)

    @property
    def pid(self) -> int:
        """The TSP's process."""
        return self._tsp.pid

    @property
    def processes(self) -> dict[str, list[int]]:
        """Whose CPU time is looked at while the TSP is asked."""
        return {"tsp": [self.pid], "store": [self.server.process.pid], "driver": [os.getpid()]}

    @property
    def empty_processes(self) -> dict[str, list[int]]:
        """The same while the empty one is asked."""
        return {"tsp": [self.empty.pid], "driver": [os.getpid()]}

    async def open(self) -> None:
        """Start the TSP on an empty store, and have its keys."""
        await self._tsp.start()
        await self.keys.open(bytes.fromhex(self._kek))

    async def start_again(self, *, fresh_log: bool) -> float:
        """Start the TSP over the same store; gives the seconds until it serves.

        fresh_log: with an audit log that is empty, so that the start does not read what was measured before.
        """
        await self._tsp.stop()
        if fresh_log:
            self._logs += 1
        self._wiring = self._wired()
        self._tsp = self._process()
        began = time.perf_counter()
        await self._tsp.start()
        return time.perf_counter() - began

    async def client(self, method: str, answer: type[A], as_: str) -> UnaryClient[A]:
        """A connection to the TSP."""
        metadata = {CLAIM_KEY: as_}
        return await UnaryClient.connect(self._address, method, answer, metadata)

    async def empty_client(self, method: str, answer: type[A]) -> UnaryClient[A]:
        """A connection to the empty TSP. It hears who asks, and does not look at it."""
        return await UnaryClient.connect(self.empty_at, method, answer, {CLAIM_KEY: "network"})

    def channel(self, as_: str) -> Channel:
        """A channel for generated stubs."""
        return Channel(GrpcLink("tsp", self._wiring.address("tsp", as_), as_), Env.of("bench"), timeout_s=30)

    async def set_store(self, setting: str, value: str) -> None:
        """Change a setting of the store, while it runs."""
        await self._admin.command("CONFIG", "SET", setting, value)

    async def store_says(self, section: str, name: str) -> int:
        """A figure of INFO."""
        told: Any = await self._admin.command("INFO", section)
        text = told.decode() if isinstance(told, bytes) else str(told)
        return next(int(line.split(":")[1]) for line in text.splitlines() if line.startswith(f"{name}:"))

    async def memory_of(self, key: str) -> int:
        """What a key takes in the store, in bytes."""
        return int(await self._admin.command("MEMORY", "USAGE", key, "SAMPLES", 0))

    async def close(self) -> None:
        """End it all."""
        await self._tsp.stop()
        await self.store.close()
        await self._admin.close()
        self._ports.release()

    def _wired(self) -> Wiring:
        extra = {
            "connection_age_s": "3600",  # the bench's client keeps to one connection
            "kek": self._kek,
            "cryptogram_key": self._cryptogram_key,
            "audit_file": str(self._folder / f"{self._logs}.audit"),
        }
        return Wiring(
            addresses={"tsp": self._address, "issuer": self._issuer_at},
            admin_addresses={"tsp": self._admin_address},
            store_urls={"tsp": self.server.url("tsp")},
            extra={"tsp": extra},
        )

    def _process(self) -> ServiceProcess:
        return ServiceProcess("tsp", self._wiring.settings("tsp"), self._folder / "tsp.log")


@asynccontextmanager
async def housed() -> AsyncIterator[House]:
    """A house from start to end. Unavailable or ChildEnded if it does not start."""
    with TemporaryDirectory() as folder, EmbeddedStore.start(None, ["tsp"]) as store:
        issuer = await Child.start("bench.empty", "issuer")
        issuer_at = await _address_of(issuer)
        empty = await Child.start("bench.empty", "tsp", f"issuer={issuer_at}")
        house = House(store, Path(folder), issuer, issuer_at, empty)
        house.empty_at = await _address_of(empty)
        try:
            await house.open()
            yield house
        finally:
            await house.close()
            await empty.end()
            await issuer.end()


async def _address_of(child: Child) -> str:
    return f"127.0.0.1:{(await child.hear()).removeprefix('ready ')}"
