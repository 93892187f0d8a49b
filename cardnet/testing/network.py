"""A whole network on this machine: five services, their store and a collector, for one test or one demo."""

import asyncio
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

import grpc.aio

from cardnet.authority import Registry
from cardnet.certificates import Identity
from cardnet.client import Channel
from cardnet.embedded_store import EmbeddedStore
from cardnet.env import Clock, Env
from cardnet.faults import Faults
from cardnet.identity import CARDHOLDER, COLLECTOR, NEIGHBOURS, PROGRAMS, TRUST_DOMAIN
from cardnet.otlp import OtlpSink, receivers
from cardnet.roster import PostedRoster
from cardnet.steps import SERVICES
from cardnet.testing.acting import CALL_TIMEOUT_S, TRACE_TIMEOUT_S, Network
from cardnet.testing.clock import NetworkClock
from cardnet.testing.collecting import LocalCollector
from cardnet.testing.ports import Ports
from cardnet.testing.processes import ServiceProcess
from cardnet.testing.running import InProcess, Processes, Running, Tap
from cardnet.testing.wiring import WITH_ADMIN_DOOR, WITH_FACE, Wiring, with_keys
from cardnet.traces.trace import Trace
from cardnet.wire import open_channel

if TYPE_CHECKING:
    from cardnet.console.served import ServedConsole

WEB_OTHERWISE = "choose others with --web-port, or --no-web"

ADMIN_OFFSET = 10
"""How far an admin door's port is from the business door's."""


class LocalNetwork(Network):
    """A network of your own, from `async with` to the end of the block.

    in_process: all five services in this process, two to three times faster; else a process each. seed, frozen_at: the
    same seed and time give the same tokens, identifiers, answers and traces. clock: "simulated" for one that runs and
    can be moved on, as a frozen one can. data_dir: keeps accounts, tokens and traces; else all is gone in the end.
    port_base: the merchant's port, the others follow; 0 for any free ones. collector_port: where OTLP is received; 0
    for any. otlp_http_port: where it is received over HTTP; 0 for any, None for nowhere.
    redis_urls: a store of your own for some or all services.
    settings: more settings of a service, such as {"tsp": {"cryptogram_validation": "issuer"}}.
    insecure: plain text in place of mutual TLS. identities: a folder of identities of your own (docs/containers.md);
    else they are made for this run. trust_domain: of the SPIFFE IDs in them.
    admin: whether operators are let in, at a port of their own.
    web: whether there is a shop, a token service and a wallet for browsers (docs/browser.md); in one process that wants
    fronts, too. web_port_base: the shop's port, the others follow; 0 for any free ones. shop_origins: origins of other
    shops that may have tokens made in their pages.
    console: whether there is a console (docs/tracing.md). console_port: its port; 0 for any.
    faults: whether its calls can be disturbed: `network.faults.set("network-issuer", latency_ms=300, times=1)`.
    fronts: in one process, whether the services can be reached from outside as well. tap: in one process, looks at what
    travels between the services, or disturbs it. roster: whether commands such as `cardnet tokens` find this network.
    """

    def __init__(
        self,
        *,
        in_process: bool = False,
        seed: str = "",
        frozen_at: str = "",
        clock: Literal["real", "simulated"] = "real",
        data_dir: Path | None = None,
        port_base: int = 0,
        collector_port: int = 0,
        otlp_http_port: int | None = None,
        redis_urls: Mapping[str, str] | None = None,
        settings: Mapping[str, Mapping[str, str]] | None = None,
        insecure: bool = False,
        identities: Path | None = None,
        trust_domain: str = TRUST_DOMAIN,
        admin: bool = True,
        web: bool = False,
        web_port_base: int = 0,
        shop_origins: Sequence[str] = (),
        console: bool = False,
        console_port: int = 0,
        faults: bool = False,
        fronts: bool = False,
        tap: Tap | None = None,
        roster: bool = False,
    ) -> None:
        self._in_process = in_process
        self._seed, self._frozen_at = seed, frozen_at
        self._clock = NetworkClock(clock, frozen_at)
        self._data_dir = data_dir
        self._port_base = port_base
        self._redis_urls = dict(redis_urls or {})
        self._settings = {name: dict(values) for name, values in (settings or {}).items()}
        self._insecure, self._identities, self._admin = insecure, identities, admin
        self._trust_domain = trust_domain
        self._programs = PROGRAMS if web else SERVICES
        self._web, self._web_port_base, self._shop_origins = web, web_port_base, tuple(shop_origins)
        self._with_console, self._console_port = console, console_port
        self._console: ServedConsole | None = None
        self.disturbed = faults
        """Whether its calls and services may be disturbed."""
        self._fronts, self._tap, self._roster = fronts, tap, roster
        self._env = Env.of("kit", seed, frozen_at)
        self._ports = Ports()
        self._channels: dict[tuple[str, str], Channel] = {}
        self._outside: list[OtlpSink] = []
        self._beside: list[asyncio.Task[None]] = []
        self._collecting = LocalCollector(self._ports, collector_port, otlp_http_port)
        self.collector = self._collecting.collector
        self.store: EmbeddedStore | None = None
        """The embedded store, unless every service has a store of its own."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start everything and wait until all five services serve. A Fault says what does not start, and why."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop everything; nothing is left behind but data_dir."""
        if hasattr(self, "_posted"):
            self._posted.take_down()
        if self._console:
            await self._console.close()
        for task in self._beside:
            task.cancel()
        for channel in self._channels.values():
            await channel.close()
        if hasattr(self, "_running"):
            await self._running.stop()
        for sink in self._outside:
            await sink.close()
        await self._collecting.close()
        if self.store:
            self.store.stop()
        self._ports.release()
        if hasattr(self, "_folder"):
            self._folder.cleanup()

    @property
    def faults(self) -> Faults:
        """The fault switches. They want `LocalNetwork(faults=True)`."""
        assert self.disturbed, "needs LocalNetwork(faults=True)"
        return self._faults

    async def trace(self, trace_id: str) -> Trace:
        """A trace, by its identifier, once it is complete."""
        return await self.collector.archive.find(trace_id, TRACE_TIMEOUT_S)

    @property
    def addresses(self) -> Mapping[str, str]:
        """Each service's host:port."""
        return self._wiring.addresses

    @property
    def collector_address(self) -> str:
        """Where OTLP is received and traces are asked for: host:port."""
        return self._collecting.address

    @property
    def otlp_http_address(self) -> str:
        """Where OTLP is received over HTTP: host:port; empty for nowhere."""
        return self._collecting.http_address

    @property
    def processes(self) -> Mapping[str, ServiceProcess]:
        """The services' processes, to be killed, paused and started again. Empty in one process."""
        return self._running.processes if isinstance(self._running, Processes) else {}

    def advance(self, by: timedelta) -> None:
        """Move the clock of all services on, at once. ValueError if that is not forwards."""
        self._clock.advance(by)

    @property
    def admin_addresses(self) -> Mapping[str, str]:
        """The host:port of each admin door."""
        return self._wiring.admin_addresses

    @property
    def origins(self) -> Mapping[str, str]:
        """What browsers call the shop ("merchant"), the token service ("tsp") and the "wallet"; empty without web."""
        return self._wiring.origins

    @property
    def console_origin(self) -> str:
        """What browsers call the console; empty without one."""
        return self._console.origin if self._console else ""

    @property
    def identities(self) -> str:
        """The folder of all identities; empty for plain text."""
        return self._wiring.identities

    def presented(self, as_: str) -> Identity | str:
        """What somebody shows who asks: an identity, or a mere name in plain text."""
        return self._wiring.presented(as_)

    async def health(self, service: str) -> str:
        """What a service says of itself: "SERVING" or "NOT_SERVING"; "UNREACHABLE" if it says nothing."""
        return await self._running.health(service)

    def grpc_channel(self, service: str, as_: str = CARDHOLDER) -> grpc.aio.Channel:
        """A channel of grpcio's own to a service or the collector, for a client of yours. Close it yourself."""
        address = self.collector_address if service == COLLECTOR else self._wiring.address(service, as_)
        shown = self._wiring.presented(as_)
        return open_channel(service, address, None if isinstance(shown, str) else shown.papers)

    def channel(self, service: str, as_: str = CARDHOLDER) -> Channel:
        """A channel to a service, asking as somebody."""
        if (service, as_) not in self._channels:
            link = self._running.link(service, as_)
            self._channels[service, as_] = Channel(link, self._env, timeout_s=CALL_TIMEOUT_S)
        return self._channels[service, as_]

    async def _start(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="cardnet-")
        if not set(self._programs) <= set(self._redis_urls):
            self.store = EmbeddedStore.start(self._data_dir, self._programs)
            self._redis_urls = {name: self.store.url(name) for name in self._programs} | self._redis_urls
        self._clock.prepare(Path(self._folder.name), self._data_dir)
        identities = await self._identified()
        as_ = Identity(Path(identities, COLLECTOR)) if identities else COLLECTOR
        # The same seed gives the same identifiers again, so what is kept would be mixed up with what comes.
        kept_in = None if self._seed else self._data_dir
        await self._collecting.open(self._env, as_, self._trust_domain, kept_in)
        base = self._port_base
        self._wiring = Wiring(
            addresses=self._ports.row(self._programs, PROGRAMS, base),
            admin_addresses=self._ports.row(WITH_ADMIN_DOOR, PROGRAMS, base and base + ADMIN_OFFSET)
            if self._admin
            else {},
            identities=identities,
            store_urls=self._redis_urls,
            web=self._ports.row(WITH_FACE, WITH_FACE, self._web_port_base, WEB_OTHERWISE) if self._web else {},
            shop_origins=self._shop_origins,
            trust_domain=self._trust_domain,
            collector=self.collector_address,
            seed=self._seed,
            frozen_at=self._frozen_at,
            clock_file=self._clock.file,
            faults_file=self._make_faults() if self.disturbed else "",
            extra=with_keys(self._settings, self._data_dir or Path(self._folder.name)),
        )
        self._running: Running = self._chosen()
        await self._running.start()
        if self._with_console:
            await self._open_console()
        if self._roster:
            self._posted = PostedRoster(replace(self._wiring.roster(), console=self.console_origin))

    def _make_faults(self) -> str:
        """The file of the switches; none is set."""
        file = Path(self._folder.name, "faults")
        self._faults = Faults(file, [f"{one}-{other}" for one in self._programs for other in NEIGHBOURS[one]])
        return str(file)

    async def _open_console(self) -> None:
        from cardnet.testing.console import served  # whoever wants none does not wait for a web server

        address = self._ports.take(self._console_port, "choose another with --console-port, or --no-console")
        self._console = served(self, self._wiring, address)
        await self._console.open()

    def _chosen(self) -> Running:
        if self._in_process:
            # As in the services' own processes, which read this variable themselves.
            self._outside = receivers(os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", ""))
            return InProcess(self._wiring, [self.collector, *self._outside], fronts=self._fronts, tap=self._tap)
        return Processes(self._wiring, Path(self._folder.name))

    async def _identified(self) -> str:
        """The folder of all identities; empty for plain text. Those that are made here are kept fresh."""
        if self._insecure:
            return ""
        if self._identities:
            return str(self._identities)
        folder = Path(self._folder.name, "identities")
        registry = Registry(folder, Clock(), domain=self._trust_domain)
        registry.issue()
        self._beside.append(asyncio.create_task(registry.keep()))
        return str(folder)
