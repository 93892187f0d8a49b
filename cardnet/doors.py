"""The doors of a service on the network: gRPC, with the standard health and reflection services beside its own."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from cardnet.border import Border
from cardnet.certificates import Identity, caller_of
from cardnet.config import ServiceConfig, SettingMissing
from cardnet.errors import Fault
from cardnet.face import Face
from cardnet.identity import CARDHOLDER, is_name
from cardnet.origin import is_origin
from cardnet.repeats import NOT_AGAIN
from cardnet.service import Service
from cardnet.status import DETAILS_KEY, status_of
from cardnet.wire import CLAIM_KEY, SERVER_OPTIONS, is_loopback

Context = grpc.aio.ServicerContext[bytes, bytes]
WhoCalls = Callable[[Context], str]
"""Tells the name of the caller; empty for nobody's."""

MAX_CONCURRENT_CALLS = 512
"""More at once are refused with RESOURCE_EXHAUSTED before they begin, so that those inside are answered in time."""

MAX_HEALTH_CALLS = 16

GRACE_S = 2.0
"""How long calls may still take when the service is told to stop. Their callers then ask another instance."""


Serving = Callable[[], Awaitable[bool]]


class Health(health.aio.HealthServicer):  # type: ignore[misc]
    """The standard health service. A service that cannot reach its store is not serving, nor one that is sealed."""

    def __init__(self, names: Sequence[str], serving: Serving) -> None:
        """names: of the gRPC services that stand or fall with it. serving: asked each time, so that it is about now."""
        super().__init__()
        self._names = names
        self._serving = serving

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Ask first, then answer."""
        serving = await self._serving()
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", *self._names):
            await self.set(name, status)
        return await super().Check(request, context)


async def open_health_door(address: str, names: Sequence[str], serving: Serving | None = None) -> grpc.aio.Server:
    """Serve health in plain text and nothing else. serving: None for one that serves while it runs. OSError."""
    server = grpc.aio.server(maximum_concurrent_rpcs=MAX_HEALTH_CALLS)
    health_pb2_grpc.add_HealthServicer_to_server(Health(names, serving or _always), server)
    bound(server, address, None)
    await server.start()
    return server


async def _always() -> bool:
    return True


class _Methods(grpc.GenericRpcHandler):
    """Hands every method of a border to it as bytes; parsing is the border's, which says what is wrong with them."""

    def __init__(self, border: Border, who: WhoCalls) -> None:
        self._handlers = {
            method: _stream_handler(border, method, who) if border.streams(method) else _handler(border, method, who)
            for method in border.methods
        }

    def service(self, handler_call_details: Any) -> Any:
        return self._handlers.get(handler_call_details.method)


def methods_of(border: Border, who: WhoCalls) -> grpc.GenericRpcHandler:
    """A border's methods, as what a gRPC server takes."""
    return _Methods(border, who)


def _handler(border: Border, method: str, who: WhoCalls) -> Any:
    async def answer(data: bytes, context: Context) -> bytes:
        try:
            return await border.answer(method, data, who(context), _metadata(context), context.time_remaining())
        except Fault as fault:
            told = fault
        await _tell(context, told)
        return b""  # never: abort raises

    return grpc.unary_unary_rpc_method_handler(answer)


def _stream_handler(border: Border, method: str, who: WhoCalls) -> Any:
    # No generator, which gRPC would leave open when its caller goes while it writes; what is written is taken by the
    # caller at its own pace, and we wait for that.
    async def answer(data: bytes, context: Context) -> None:
        try:
            stream = border.stream(method, data, who(context), _metadata(context), context.time_remaining())
            async with aclosing(stream):
                async for answer in stream:
                    await context.write(answer)
            return
        except Fault as fault:
            told = fault
        await _tell(context, told)

    return grpc.unary_stream_rpc_method_handler(answer)


def _metadata(context: Context) -> dict[str, str]:
    return {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}


async def _tell(context: Context, fault: Fault) -> None:
    code, sentence, details = status_of(fault)
    await context.abort(code, sentence, ((DETAILS_KEY, details), NOT_AGAIN))


def _services(border: Border) -> list[str]:
    return sorted({method.split("/")[1] for method in border.methods})


class Doors:
    """Where a started service lets callers in."""

    def __init__(self, service: Service, config: ServiceConfig, as_: Identity | str) -> None:
        """as_: what the service shows its callers; a mere name means plain text."""
        self._service = service
        self._config = config
        self._as = as_
        self._servers: list[grpc.aio.Server] = []
        self._face: Face | None = None
        self.port = 0
        """The port of the business door."""

    async def open(self) -> None:
        """Open those that the settings ask for. OSError when an address cannot be had; SettingMissing if it may not."""
        config = self._config
        self.port = await self._open(config.listen, self._service.border)
        if config.admin_listen:
            await self._open(config.admin_listen, self._service.admin)
        if config.web_listen and not is_origin(config.web_origin):
            variable = f"CARDNET_{self._service.name.upper()}_WEB_ORIGIN"
            raise SettingMissing(f"{variable} must be what browsers call its web face, such as http://localhost:8750")
        if config.web_listen and self._service.face:
            self._face = Face(self._service.face, config.web_listen)
            await self._face.open()
        if config.health_listen:
            names = _services(self._service.border)
            self._servers.append(await open_health_door(config.health_listen, names, self._service.serving))

    async def close(self) -> None:
        """Let nobody in any more, and give what is under way a moment to finish."""
        if self._face:
            await self._face.close()  # its pages ask the service itself
        self._service.stop_streams()  # or they would take all of the grace
        await asyncio.gather(*(server.stop(GRACE_S) for server in self._servers))

    async def _open(self, address: str, border: Border) -> int:
        age = ("grpc.max_connection_age_ms", self._config.connection_age_s * 1000)
        server = grpc.aio.server(options=(*SERVER_OPTIONS, age), maximum_concurrent_rpcs=MAX_CONCURRENT_CALLS)
        server.add_generic_rpc_handlers((_Methods(border, who_calls(self._as, self._config.trust_domain)),))
        health_pb2_grpc.add_HealthServicer_to_server(Health(_services(border), self._service.serving), server)
        reflection.enable_server_reflection((*_services(border), health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        port = bound(server, address, self._as)
        self._servers.append(server)
        await server.start()
        return port


def who_calls(as_: Identity | str, trust_domain: str) -> WhoCalls:
    """How a door learns who calls: from the certificate, or in plain text from what the caller claims to be."""
    if isinstance(as_, str):
        return lambda context: claimed(_metadata(context).get(CLAIM_KEY, CARDHOLDER))
    return lambda context: caller_of(context.auth_context(), trust_domain)


def claimed(name: str) -> str:
    """The name that a caller claims, if it is one."""
    return name if is_name(name) else ""


def bound(server: grpc.aio.Server, address: str, as_: Identity | str | None) -> int:
    """Bind a server to host:port or unix:/path; gives the port, which port 0 leaves to the system. OSError, and
    SettingMissing where plain text is to leave this machine.

    as_: None for a door that tells nothing and asks for nothing.
    """
    if isinstance(as_, str) and not is_loopback(address):
        raise SettingMissing("plain text (--insecure) is for loopback addresses alone: listen at 127.0.0.1 or [::1]")
    try:
        if isinstance(as_, Identity):
            return server.add_secure_port(address, as_.server_credentials())
        return server.add_insecure_port(address)
    except RuntimeError:
        raise OSError(f"{address} cannot be listened at: another program may have the port") from None
