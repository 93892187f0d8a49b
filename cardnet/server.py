"""A service as a process of its own."""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from cardnet.certificates import Identity
from cardnet.config import ServiceConfig, SettingMissing, read
from cardnet.confinement import keep_secrets_in
from cardnet.doors import Doors
from cardnet.env import Env
from cardnet.errors import Fault
from cardnet.identity import COLLECTOR
from cardnet.otlp import CollectorSink, receivers
from cardnet.outbox import Sink
from cardnet.service import Service
from cardnet.wire import GrpcLink, presented

C = TypeVar("C", bound=ServiceConfig)
Build = Callable[[C, Env, list[Sink]], Service]


GARBAGE_AFTER = 10_000
"""Objects that come to be before Python looks for cycles. By Python 3.11's default, 700: at 64 payments in flight more
live at any time, and to look at them over and over cost 7 % of an authorisation (measured by `gc.callbacks`; now 1 %).
"""


def run(name: str, build: Build[C], kind: type[C]) -> None:
    """A service as a process: what each `__main__.py` calls. Exits 2 with one sentence when it cannot start."""
    logging.basicConfig(stream=sys.stderr, format=f"cardnet {name}: %(levelname)s: %(message)s")
    collect_seldom()
    try:
        keep_secrets_in(os.environ)
        _loop().run(_serve(name, build, read(kind, name, os.environ)))
        gc.collect()  # else cycles keep gRPC objects beyond our end, and gRPC waits two seconds for them (measured)
    except (SettingMissing, OSError, Fault) as problem:
        sys.exit(_complaint(name, problem))


def collect_seldom() -> None:
    """Have Python look for cycles less often, in a process that is all cardnet's."""
    gc.set_threshold(GARBAGE_AFTER)


def _complaint(name: str, problem: Exception) -> int:
    print(f"cardnet {name}: error: {problem}", file=sys.stderr)
    return 2


def _loop() -> Any:
    try:
        import uvloop  # 0.83 times asyncio's CPU on this load; not on every system
    except ImportError:
        return asyncio
    return uvloop


async def _serve(name: str, build: Build[C], config: C) -> None:
    env = Env.of(name, config.seed, config.frozen_at, config.clock_file)
    as_ = presented(name, config)
    service = build(config, env, sinks_of(config, as_))
    stop = told_to_stop()
    await service.start()
    doors = Doors(service, config, as_)
    try:
        await doors.open()
        print(f"ready {doors.port}", flush=True)
        await stop.wait()
    finally:  # one door may be open when the next cannot be
        await doors.close()
        await service.stop()


def sinks_of(config: ServiceConfig, as_: Identity | str) -> list[Sink]:
    """Where a service's spans go: the network's own collector first."""
    own: list[Sink] = [CollectorSink(GrpcLink(COLLECTOR, config.collector, as_))] if config.collector else []
    return own + list(receivers(config.otlp_endpoint))


def told_to_stop() -> asyncio.Event:
    """Set when this process is told to end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if os.environ.get("CARDNET_EXIT_WITH_STDIN"):
        # Our parent holds the other end: however it ends, we read the end of the pipe and do not outlive it.
        loop.add_reader(sys.stdin.fileno(), stop.set)
    return stop
