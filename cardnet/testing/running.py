"""Two ways to run the five services: as processes that meet over gRPC, or in this process over in-process links."""

import asyncio
import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import grpc.aio

from cardnet.config import read
from cardnet.env import Env
from cardnet.errors import Unavailable
from cardnet.server import GRACE_S, listen
from cardnet.service import Service
from cardnet.steps import SERVICES
from cardnet.testing.processes import ServiceProcess
from cardnet.testing.wiring import Wiring
from cardnet.trace import Sink
from cardnet.wire import GrpcLink, InProcessLink, Link

Tap = Callable[[str, Link], Link]
"""Gets a service's name and a link to it, and gives the link to use in its place: one that looks on, or disturbs."""

START_ORDER = tuple(reversed(SERVICES))
"""Whoever is asked starts before whoever asks."""


class Running(Protocol):
    """Five services that run."""

    async def start(self) -> None:
        """Start them all and wait until they serve. Unavailable if one does not."""
        ...

    async def stop(self) -> None:
        """Stop them all."""
        ...

    def link(self, service: str) -> Link:
        """A way to ask one of them."""
        ...


class Processes:
    """Each service in a process of its own."""

    def __init__(self, wiring: Wiring, logs: Path) -> None:
        """logs: a folder; each service's standard error goes to NAME.log there."""
        self._wiring = wiring
        self.processes = {name: ServiceProcess(name, wiring.settings(name), logs / f"{name}.log") for name in SERVICES}

    async def start(self) -> None:
        # All at once: connections are made when they are needed, and an early question waits for its neighbour.
        try:
            async with asyncio.TaskGroup() as starting:
                for process in self.processes.values():
                    starting.create_task(process.start())
        except* Unavailable as failures:
            raise failures.exceptions[0] from None  # one sentence is enough: the others were stopped

    async def stop(self) -> None:
        for process in self.processes.values():
            await process.stop()

    def link(self, service: str) -> Link:
        return GrpcLink(service, self._wiring.addresses[service])


class InProcess:
    """All services in this process and on this event loop: the same services, checks and bytes, without a network."""

    def __init__(self, wiring: Wiring, sinks: Sequence[Sink], *, fronts: bool, tap: Tap | None = None) -> None:
        """fronts: whether each service listens at its address as well, for callers from outside."""
        self._wiring = wiring
        self._sinks = sinks
        self._fronts = fronts
        self._tap = tap
        self._services: dict[str, Service] = {}
        self._servers: list[grpc.aio.Server] = []

    async def start(self) -> None:
        for name in START_ORDER:
            service = self._services[name] = self._built(name)
            await service.start()
            if self._fronts:
                server, _ = await listen(service, self._wiring.addresses[name])
                self._servers.append(server)

    async def stop(self) -> None:
        for service in self._services.values():
            service.border.stop_streams()  # or they would take all of the grace
        for server in self._servers:
            await server.stop(GRACE_S)
        for name in reversed(self._services):
            await self._services[name].stop()

    def link(self, service: str) -> Link:
        link = InProcessLink(service, self._services[service].border)
        return self._tap(service, link) if self._tap else link

    def _built(self, name: str) -> Service:
        app = _app(name)
        config = read(app.Config, name, self._wiring.settings(name))
        env = Env.of(name, config.seed, config.frozen_at, config.clock_file)
        service: Service = app.build(config, env, self._sinks, lambda neighbour, _address: self.link(neighbour))
        return service


def _app(name: str) -> Any:
    try:
        return importlib.import_module(f"services.{name}.app")
    except ModuleNotFoundError as missing:
        if not (missing.name or "").startswith("services"):
            raise
        raise Unavailable(
            "SERVICES_HIDDEN",
            f"another package named `services` hides cardnet's (it was looked for from {Path.cwd()}): "
            "use LocalNetwork(in_process=False), which keeps them apart, or rename that package",
        ) from None
