"""A service on the network: gRPC, with the standard health and reflection services beside its own."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import aclosing
from typing import Any, TypeVar

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from cardnet.border import Border
from cardnet.config import ServiceConfig, SettingMissing, read
from cardnet.env import Env
from cardnet.errors import Fault
from cardnet.otlp import OtlpSink
from cardnet.service import Service
from cardnet.status import DETAILS_KEY, status_of
from cardnet.trace import Sink
from cardnet.wire import SERVER_OPTIONS

C = TypeVar("C", bound=ServiceConfig)
Build = Callable[[C, Env, list[Sink]], Service]

MAX_CONCURRENT_CALLS = 512
"""More at once are refused with RESOURCE_EXHAUSTED before they begin, so that those inside are answered in time."""

GRACE_S = 2.0
"""How long calls may still take when the service is told to stop."""


class Health(health.aio.HealthServicer):  # type: ignore[misc]
    """The standard health service. A service that cannot reach its store is not serving, nor one that is sealed."""

    def __init__(self, service: Service) -> None:
        super().__init__()
        self._service = service

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Ask the service first, so that the answer is about now."""
        serving = await self._service.serving()
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", *_services(self._service.border)):
            await self.set(name, status)
        return await super().Check(request, context)


class _Methods(grpc.GenericRpcHandler):
    """Hands every method of a border to it as bytes; parsing is the border's, which says what is wrong with them."""

    def __init__(self, border: Border) -> None:
        self._handlers = {
            method: _stream_handler(border, method) if border.streams(method) else _handler(border, method)
            for method in border.methods
        }

    def service(self, handler_call_details: Any) -> Any:
        return self._handlers.get(handler_call_details.method)


def methods_of(border: Border) -> grpc.GenericRpcHandler:
    """A border's methods, as what a gRPC server takes."""
    return _Methods(border)


def _handler(border: Border, method: str) -> Any:
    async def answer(data: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        try:
            return await border.answer(method, data, _metadata(context), context.time_remaining())
        except Fault as fault:
            told = fault
        await _tell(context, told)
        return b""  # never: abort raises

    return grpc.unary_unary_rpc_method_handler(answer)


def _stream_handler(border: Border, method: str) -> Any:
    # No generator, which gRPC would leave open when its caller goes while it writes; what is written is taken by the
    # caller at its own pace, and we wait for that.
    async def answer(data: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        try:
            stream = border.stream(method, data, _metadata(context), context.time_remaining())
            async with aclosing(stream):
                async for answer in stream:
                    await context.write(answer)
            return
        except Fault as fault:
            told = fault
        await _tell(context, told)

    return grpc.unary_stream_rpc_method_handler(answer)


def _metadata(context: grpc.aio.ServicerContext[bytes, bytes]) -> dict[str, str]:
    return {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}


async def _tell(context: grpc.aio.ServicerContext[bytes, bytes], fault: Fault) -> None:
    code, sentence, details = status_of(fault)
    await context.abort(code, sentence, ((DETAILS_KEY, details),))


def _services(border: Border) -> list[str]:
    return sorted({method.split("/")[1] for method in border.methods})


async def listen(service: Service, address: str) -> tuple[grpc.aio.Server, int]:
    """Serve a started service at host:port; gives the server and the port, which port 0 leaves to the system.

    Raises OSError when the address cannot be had.
    """
    server = grpc.aio.server(options=SERVER_OPTIONS, maximum_concurrent_rpcs=MAX_CONCURRENT_CALLS)
    server.add_generic_rpc_handlers((_Methods(service.border),))
    health_pb2_grpc.add_HealthServicer_to_server(Health(service), server)
    names = (*_services(service.border), health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    try:
        port = server.add_insecure_port(address)
    except RuntimeError:
        raise OSError(f"{address} cannot be listened at: another program may have the port") from None
    await server.start()
    return server, port


def run(name: str, build: Build[C], kind: type[C]) -> None:
    """A service as a process: what each `__main__.py` calls. Exits 2 with one sentence when it cannot start."""
    logging.basicConfig(stream=sys.stderr, format=f"cardnet {name}: %(levelname)s: %(message)s")
    try:
        _loop().run(_serve(name, build, read(kind, name, os.environ)))
    except (SettingMissing, OSError, Fault) as problem:
        sys.exit(_complaint(name, problem))


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
    sinks: list[Sink] = [OtlpSink(endpoint) for endpoint in config.collector.split(",") if endpoint]
    service = build(config, env, sinks)
    stop = _told_to_stop()
    await service.start()
    server, port = await listen(service, config.listen)
    print(f"ready {port}", flush=True)
    await stop.wait()
    service.border.stop_streams()  # or they would take all of the grace
    await server.stop(GRACE_S)
    await service.stop()


def _told_to_stop() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if os.environ.get("CARDNET_EXIT_WITH_STDIN"):
        # Our parent holds the other end: however it ends, we read the end of the pipe and do not outlive it.
        loop.add_reader(sys.stdin.fileno(), stop.set)
    return stop
