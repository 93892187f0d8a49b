"""A service put together: its border, its neighbours, its store and what runs beside the calls."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp

from cardnet.border import Border
from cardnet.client import Channel
from cardnet.config import ServiceConfig
from cardnet.env import Env
from cardnet.faulty import Faulty, Noting
from cardnet.identity import Door, door_of
from cardnet.outbox import Sink
from cardnet.recorder import Recorder, Records
from cardnet.store import Store
from cardnet.wire import GrpcLink, Link, presented

Connect = Callable[[str, str], Link]
"""Makes a link to a neighbour from its name and address."""


class Service:
    """What `build` in each `app.py` returns; `cardnet/server.py` and the test kit run it."""

    def __init__(
        self,
        name: str,
        config: ServiceConfig,
        env: Env,
        store: Store,
        sinks: Sequence[Sink],
        connect: Connect | None = None,
    ) -> None:
        """connect: None for gRPC. SettingMissing where that needs an identity and there is none."""
        self.name = name
        self.env = env
        self.store = store
        self.recorder = Recorder(name, sinks if config.tracing else ())
        self.border = Border(env, Door.BUSINESS, self.recorder)
        self.admin = Border(env, Door.ADMIN, self.recorder)
        """What the operator and the discloser may call. It is served where `admin_listen` asks for it."""
        self.face: ASGIApp | None = None
        """What it shows to browsers, where `web_listen` asks for it."""
        self._connect = connect or _over_the_network(name, config)
        self._faults_file = config.faults_file
        self._channels: list[Channel] = []
        self._preparations: list[Callable[[], Awaitable[None]]] = []
        self._conditions: list[Callable[[], bool]] = []
        self._background: list[Callable[[], Coroutine[Any, Any, None]]] = [self.recorder.run]
        self._tasks: list[asyncio.Task[None]] = []

    def channel(self, neighbour: str, address: str, timeout_s: float) -> Channel:
        """A channel to a neighbour, for a generated stub. timeout_s: how long its answer may take at the most."""
        link = self._connect(neighbour, address)
        recorder: Records = self.recorder
        if self._faults_file:
            link = faulty = Faulty(link, self.name, neighbour, Path(self._faults_file))
            recorder = Noting(recorder, faulty)
        channel = Channel(link, self.env, timeout_s=timeout_s, recorder=recorder)
        self._channels.append(channel)
        return channel

    def before_serving(self, prepare: Callable[[], Awaitable[None]]) -> None:
        """Have something done once, when the store is open and no call has come yet."""
        self._preparations.append(prepare)

    def beside(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Have something run from start to stop."""
        self._background.append(run)

    def serving_while(self, holds: Callable[[], bool]) -> None:
        """Have the service say in its health that it is not serving while this does not hold."""
        self._conditions.append(holds)

    async def serving(self) -> bool:
        """Whether it can answer at this moment: it reaches its store, and all that it needs holds."""
        return await self.store.ping() and all(holds() for holds in self._conditions)

    def border_for(self, caller: str) -> Border:
        """The border at which a caller comes in."""
        return self.admin if door_of(caller) is Door.ADMIN else self.border

    def stop_streams(self) -> None:
        """End the streams that are under way: they would go on for as long as their callers."""
        self.border.stop_streams()
        self.admin.stop_streams()

    async def start(self) -> None:
        """Open the store and begin what runs beside. Raises Unavailable when the store cannot be reached."""
        await self.store.open()
        for prepare in self._preparations:
            await prepare()
        self._tasks = [asyncio.create_task(run()) for run in self._background]

    async def stop(self) -> None:
        """Finish what has begun, send the last spans, let go of everything."""
        await asyncio.gather(self.border.drain(), self.admin.drain())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.recorder.flush()
        for channel in self._channels:
            await channel.close()
        await self.store.close()


def _over_the_network(name: str, config: ServiceConfig) -> Connect:
    as_ = presented(name, config)
    return lambda neighbour, address: GrpcLink(neighbour, address, as_)
