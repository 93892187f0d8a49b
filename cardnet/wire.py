"""What carries bytes from one service to another. Nothing above this seam knows which wire it is.

A link takes a method, bytes, metadata and a time, and gives bytes back, once or as a stream, or raises a Fault.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from ipaddress import ip_address
from pathlib import Path
from typing import Protocol

import grpc
import grpc.aio

from cardnet.border import MAX_STREAM_S, Border
from cardnet.certificates import AUTHORITIES, CERTIFICATE, KEY, Identity, Papers, channel_credentials
from cardnet.config import ServiceConfig, SettingMissing
from cardnet.errors import Fault, Overloaded, TimedOut, Unavailable
from cardnet.messages import MAX_BYTES
from cardnet.repeats import ASKED_AGAIN, SERVICE_CONFIG
from cardnet.status import DETAILS_KEY, fault_of, status_of

MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""The largest answer taken: traces are longer than payments."""

MAX_METADATA_BYTES = 8 * 1024
"""The most metadata that a service takes with a call, as gRPC counts them: 32 bytes more for each entry."""

CLAIM_KEY = "x-cardnet-caller"
"""The metadata in which a caller claims a name in plain text. Where there are certificates it means nothing."""

_SCHEME = re.compile(r"(ipv4|ipv6|dns):(//[^/]*/)?")
"""What gRPC lets an address begin with (its naming.md)."""

FINISHED_WITHIN_S = MAX_STREAM_S
"""How long what was asked under old papers may still take: as long as a stream may."""

CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
    # An address may stand for several instances: each is asked in its turn, and one that goes is left out.
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.dns_min_time_between_resolutions_ms", 500),
    # What repeats.py lists is asked again of another instance when a connection breaks; nothing else is.
    ("grpc.enable_retries", 1),
    ("grpc.service_config", SERVICE_CONFIG),
    # HTTP_PROXY is for the web. What asks a proxy for its neighbours tells it, in plain text, whatever it tells them.
    ("grpc.enable_http_proxy", 0),
    # A machine that vanishes says nothing: ask it every ten seconds whether it is there.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 2_000),
    # A service that comes back is found again within half a second (measured: 0.3 s against 0.9 s by default).
    ("grpc.initial_reconnect_backoff_ms", 100),
    # By its name a pause; to gRPC also the time that a connection may take to come about. One that is refused is tried
    # again after the back-off above all the same.
    ("grpc.min_reconnect_backoff_ms", 20_000),
    ("grpc.max_reconnect_backoff_ms", 500),
)

SERVER_OPTIONS = (
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.max_receive_message_length", MAX_BYTES),
    # gRPC refuses at random between the one and the other, so they are the same.
    ("grpc.max_metadata_size", MAX_METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
)


def presented(name: str, config: ServiceConfig) -> Identity | str:
    """As whom a service asks: by its identity, or by its mere name where plain text was asked for. SettingMissing."""
    if config.insecure:
        return name
    if not config.identity:
        variable = f"CARDNET_{name.upper()}"
        raise SettingMissing(
            f"{variable}_IDENTITY must name a folder with {CERTIFICATE}, {KEY} and {AUTHORITIES}: make one with "
            f"`cardnet certs`, or set {variable}_INSECURE=1 for plain text at loopback addresses"
        )
    return Identity(Path(config.identity), config.identity_look_s)


class Link(Protocol):
    """A way to one neighbour."""

    async def call(self, method: str, data: bytes, metadata: Mapping[str, str], timeout_s: float) -> bytes:
        """Ask and wait at most `timeout_s` seconds for the answer."""
        ...

    def stream(
        self, method: str, data: bytes, metadata: Mapping[str, str], timeout_s: float | None
    ) -> AsyncGenerator[bytes, None]:
        """Ask and take answers until there are no more; closing the generator hangs up.

        timeout_s: when to end with TimedOut; None for never.
        """
        ...

    async def close(self) -> None:
        """Let go of the neighbour."""
        ...


class GrpcLink:
    """A link over the network."""

    def __init__(self, neighbour: str, address: str, as_: Identity | str) -> None:
        """neighbour: its name, which its certificate must show. address: "host:port" or "unix:/path"; a host may have
        many addresses. as_: who asks; a mere name claims to be somebody, in plain text. SettingMissing where that
        would leave this machine.
        """
        if isinstance(as_, str) and not all(map(is_loopback, _SCHEME.sub("", address).split(","))):
            raise SettingMissing(f"plain text is for loopback addresses alone: the {neighbour} is not at one")
        self._neighbour = neighbour
        self._address = address
        self._as = as_
        self._line: _Line | None = None
        self._ending: set[asyncio.Task[None]] = set()

    async def call(self, method: str, data: bytes, metadata: Mapping[str, str], timeout_s: float) -> bytes:
        line = self._now()
        try:
            return await line.unary(method)(data, metadata=line.with_claim(metadata), timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            raise self._fault(error, method) from None

    async def stream(
        self, method: str, data: bytes, metadata: Mapping[str, str], timeout_s: float | None
    ) -> AsyncGenerator[bytes, None]:
        line = self._now()
        call = line.streaming(method)(data, metadata=line.with_claim(metadata), timeout=timeout_s)
        try:
            async for answer in call:
                yield answer
        except grpc.aio.AioRpcError as error:
            raise self._fault(error, method) from None
        finally:
            call.cancel()  # hangs up, if there is anything left to hang up

    async def close(self) -> None:
        if self._line:
            await self._line.close()
        for ending in self._ending:
            ending.cancel()

    def _now(self) -> "_Line":
        """The line to ask on: a new one when our papers were replaced. The old one finishes what was begun on it."""
        papers = None if isinstance(self._as, str) else self._as.papers_lately()
        if self._line is None or self._line.papers is not papers:
            if self._line:
                ending = asyncio.create_task(self._line.close(FINISHED_WITHIN_S))
                self._ending.add(ending)
                ending.add_done_callback(self._ending.discard)
            self._line = _Line(self._neighbour, self._address, papers, self._as if isinstance(self._as, str) else "")
        return self._line

    def _fault(self, error: grpc.aio.AioRpcError, method: str) -> Fault:
        details = dict(tuple(error.trailing_metadata() or ())).get(DETAILS_KEY)  # its keys() are pairs
        found = details if isinstance(details, bytes) else None
        return fault_on_the_wire(method, error.code(), found, self._neighbour, error.details() or "")


def fault_on_the_wire(
    method: str, code: grpc.StatusCode, details: bytes | None, neighbour: str, words: str = ""
) -> Fault:
    """What a status of gRPC's tells the caller of a method. As `status.fault_of`, whose arguments these are."""
    fault = fault_of(code, details, neighbour, words)
    if isinstance(fault, Overloaded) and not details and method in ASKED_AGAIN:
        # Refused at the door: perhaps at a repeat, of which we are not told, after the first was acted upon.
        return Unavailable(fault.reason, fault.sentence)
    return fault


class _Line:
    """A gRPC channel with one set of papers."""

    def __init__(self, neighbour: str, address: str, papers: Papers | None, claim: str) -> None:
        self.papers = papers
        self._claim = ((CLAIM_KEY, claim),) if papers is None else ()
        self._channel = open_channel(neighbour, address, papers)
        self._methods: dict[str, grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]] = {}
        self._streams: dict[str, grpc.aio.UnaryStreamMultiCallable[bytes, bytes]] = {}

    def unary(self, method: str) -> "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]":
        if method not in self._methods:
            self._methods[method] = self._channel.unary_unary(method)
        return self._methods[method]

    def streaming(self, method: str) -> "grpc.aio.UnaryStreamMultiCallable[bytes, bytes]":
        if method not in self._streams:
            self._streams[method] = self._channel.unary_stream(method)
        return self._streams[method]

    def with_claim(self, metadata: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        return (*metadata.items(), *self._claim)

    async def close(self, grace_s: float | None = None) -> None:
        await self._channel.close(grace_s)


def open_channel(neighbour: str, address: str, papers: Papers | None) -> grpc.aio.Channel:
    """A channel of grpcio's own to a service. papers: None for plain text."""
    if papers is None:
        return grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
    # Its own name, wherever it listens: whoever has a certificate for another name is not taken for it.
    options = (*CHANNEL_OPTIONS, ("grpc.ssl_target_name_override", neighbour))
    return grpc.aio.secure_channel(address, channel_credentials(papers), options=options)


def is_loopback(address: str) -> bool:
    """Whether an address, host:port or unix:/path, is of this machine alone. Of names localhost is, no other."""
    if address.startswith("unix:"):
        return True
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class InProcessLink:
    """A link to a service in the same process: the same bytes, checks and faults, and no network."""

    def __init__(self, neighbour: str, border: Border, as_: str) -> None:
        """as_: the name of who asks, which is believed: nobody else is in this process."""
        self._neighbour = neighbour
        self._border = border
        self._as = as_

    async def call(self, method: str, data: bytes, metadata: Mapping[str, str], timeout_s: float) -> bytes:
        self._check_offered(method)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._border.answer(method, data, self._as, metadata, timeout_s)
        except TimeoutError:
            raise TimedOut("NEIGHBOUR_TIMED_OUT", f"the {self._neighbour} did not answer in time") from None
        except Fault as fault:
            raise self._seen(fault) from None

    async def stream(
        self, method: str, data: bytes, metadata: Mapping[str, str], timeout_s: float | None
    ) -> AsyncGenerator[bytes, None]:
        self._check_offered(method)
        try:
            async with aclosing(self._border.stream(method, data, self._as, metadata, timeout_s)) as answers:
                async for answer in answers:
                    yield answer
        except Fault as fault:
            raise self._seen(fault) from None

    async def close(self) -> None:
        """Nothing to let go of."""

    def _check_offered(self, method: str) -> None:
        if method not in self._border.methods:
            raise fault_of(grpc.StatusCode.UNIMPLEMENTED, None, self._neighbour)

    def _seen(self, fault: Fault) -> Fault:
        # What a fault means to a caller is the same, whatever wire it comes over.
        code, _, details = status_of(fault)
        return fault_of(code, details, self._neighbour)
