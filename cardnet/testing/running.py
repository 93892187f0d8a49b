"""Two ways to run the five services: as processes that meet over gRPC, or in this process over in-process links."""

import asyncio
import importlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from cardnet.asked_health import health
from cardnet.config import ServiceConfig, read
from cardnet.confinement import keep_secrets_in
from cardnet.doors import Doors
from cardnet.env import Env
from cardnet.errors import Unavailable
from cardnet.identity import CARDHOLDER, WALLET
from cardnet.outbox import Sink
from cardnet.service import Connect, Service
from cardnet.steps import SERVICES
from cardnet.testing.processes import ServiceProcess
from cardnet.testing.wiring import Wiring
from cardnet.wire import GrpcLink, InProcessLink, Link

Tap = Callable[[str, Link], Link]
"""Gets a service's name and a link to it, and gives the link to use in its place: one that looks on, or disturbs."""


START_ORDER = (*reversed(SERVICES), WALLET)
"""Whoever is asked starts before whoever asks."""


class Running(Protocol):
    """Five services that run."""

    async def start(self) -> None:
        """Start them all and wait until they serve. Unavailable if one does not."""
        ...

    async def stop(self) -> None:
        """Stop them all."""
        ...

    def link(self, service: str, as_: str) -> Link:
        """A way to ask one of them, as somebody."""
        ...

    async def health(self, service: str) -> str:
        """What one of them says of itself: "SERVING" or "NOT_SERVING"; "UNREACHABLE" if it says nothing."""
        ...


class Processes:
    """Each service in a process of its own."""

    def __init__(self, wiring: Wiring, logs: Path) -> None:
        """logs: a folder; each service's standard error goes to NAME.log there."""
        self._wiring = wiring
        self.processes = {
            name: ServiceProcess(name, wiring.settings(name), logs / f"{name}.log") for name in wiring.addresses
        }

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

    def link(self, service: str, as_: str) -> Link:
        return GrpcLink(service, self._wiring.address(service, as_), self._wiring.presented(as_))

    async def health(self, service: str) -> str:
        return await health(service, self._wiring.addresses[service], self._wiring.presented(CARDHOLDER))


class InProcess:
    """All services in this process and on this event loop: the same services, checks and bytes, without a network."""

    def __init__(self, wiring: Wiring, sinks: Sequence[Sink], *, fronts: bool, tap: Tap | None = None) -> None:
        """fronts: whether each service listens at its address as well, for callers from outside."""
        self._wiring = wiring
        self._sinks = sinks
        self._fronts = fronts
        self._tap = tap
        self._services: dict[str, Service] = {}
        self._doors: list[Doors] = []

    async def start(self) -> None:
        if self._fronts:
            keep_secrets_in(os.environ)
        for name in sorted(self._wiring.addresses, key=START_ORDER.index):
            config = read(_app(name).Config, name, self._wiring.settings(name))
            service = self._services[name] = self._built(name, config)
            await service.start()
            if self._fronts:
                doors = Doors(service, config, self._wiring.presented(name))
                await doors.open()
                self._doors.append(doors)

    async def stop(self) -> None:
        await asyncio.gather(*(doors.close() for doors in self._doors))
        for name in reversed(self._services):
            await self._services[name].stop()

    def link(self, service: str, as_: str) -> Link:
        link = InProcessLink(service, self._services[service].border_for(as_), as_)
        return self._tap(service, link) if self._tap else link

    async def health(self, service: str) -> str:
        return "SERVING" if await self._services[service].serving() else "NOT_SERVING"

    def _built(self, name: str, config: ServiceConfig) -> Service:
        env = Env.of(name, config.seed, config.frozen_at, config.clock_file)
        connect: Connect = lambda neighbour, _address: self.link(neighbour, name)  # noqa: E731
        service: Service = _app(name).build(config, env, self._sinks, connect)
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
