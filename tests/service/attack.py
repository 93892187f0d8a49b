"""What attackers need: every method with who may call it, raw bytes to send, and all that comes back."""

import importlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import grpc
import grpc.aio
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo
from google.rpc.status_pb2 import Status
from patience import STORE_TIMEOUT_S

from cardnet.certificates import channel_credentials
from cardnet.identity import COLLECTOR, Door, door_of
from cardnet.status import DETAILS_KEY, status_of
from cardnet.store import Store
from cardnet.testing import LocalNetwork

LONG_S = 25.0
"""How long an answer may take: near the longest that a call may wait, for no outcome here is one of time."""

_PEER = re.compile(r"\bipv4:127\.0\.0\.1:[0-9]+")
"""Where gRPC says whom it asked. The port is any: it may be the very digits that must not be shown."""


class Method(NamedTuple):
    """A method as the protos define it. home: the process that serves it. caller: one who may.

    streams: whether it answers with a stream.
    """

    path: str
    request: type[Message]
    response: type[Message]
    home: str
    caller: str
    streams: bool


_HOMES = {
    "v1.merchant.Merchant": ("merchant", "cardholder"),
    "v1.acquirer.Acquirer": ("acquirer", "merchant"),
    "v1.network.Network": ("network", "acquirer"),
    "v1.token_service.TokenService": ("tsp", "merchant"),
    "v1.token_lifecycle.TokenLifecycle": ("tsp", "merchant"),
    "v1.token_lifecycle.TokenNotifications": ("tsp", "merchant"),
    "cde.v1.token_vault.TokenVault": ("tsp", "network"),
    "cde.v1.token_vault.TokenDisclosure": ("tsp", "discloser"),
    "cde.v1.pan_lifecycle.PanLifecycle": ("tsp", "issuer"),
    "cde.v1.token_operator.TokenOperator": ("tsp", "operator"),
    "cde.v1.issuer.Issuer": ("issuer", "network"),
    "cde.v1.issuer.IssuerOperator": ("issuer", "operator"),
    "v1.traces.Traces": ("collector", "cardholder"),
}
_OTHER_CALLERS = {
    "/cardnet.v1.TokenService/ProvideTokenizedCard": "wallet",
    "/cardnet.v1.TokenLifecycle/ActivateToken": "issuer",
    "/cardnet.cde.v1.Issuer/VerifyAccount": "tsp",
    "/cardnet.cde.v1.Issuer/CheckPasscode": "tsp",
}


def _methods() -> list[Method]:
    found = []
    for name, (home, caller) in _HOMES.items():
        module, _, service = name.rpartition(".")
        descriptor = importlib.import_module(f"cardnet.{module}_pb2").DESCRIPTOR.services_by_name[service]
        for method in descriptor.methods:
            path = f"/{descriptor.full_name}/{method.name}"
            request, response = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
            allowed = _OTHER_CALLERS.get(path, caller)
            found.append(Method(path, request, response, home, allowed, method.server_streaming))
    return found


METHODS = _methods()
BY_PATH = {method.path: method for method in METHODS}


class Outcome(NamedTuple):
    """What came back. shown: all of it as text, whatever a program or a person might look at."""

    code: str
    sentence: str = ""
    reason: str = ""
    violations: tuple[tuple[str, str], ...] = ()
    shown: str = ""


class Raw:
    """Bytes in the place of a message, for a generated stub's channel."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def SerializeToString(self) -> bytes:
        return self._data


def door(network: LocalNetwork, home: str, caller: str, at: Door | None = None) -> grpc.aio.Channel:
    """A bare gRPC channel to a service, as somebody. at: the caller's own door, unless given."""
    if home == COLLECTOR:
        address = network.collector_address
    else:
        address = (network.admin_addresses if (at or door_of(caller)) is Door.ADMIN else network.addresses)[home]
    shown = network.presented(caller)
    assert not isinstance(shown, str)
    options = (("grpc.enable_retries", 0), ("grpc.ssl_target_name_override", home))
    return grpc.aio.secure_channel(address, channel_credentials(shown.papers), options=options)


async def over_the_wire(
    network: LocalNetwork,
    path: str,
    data: bytes,
    *,
    metadata: Mapping[str, str | bytes] | None = None,
    timeout_s: float | None = LONG_S,
    **options: Any,
) -> Outcome:
    """Send bytes to a method over gRPC, as one who may call it; a stream is taken to its end."""
    method = BY_PATH[path]
    async with door(network, method.home, method.caller) as channel:
        return await through(channel, path, data, metadata=metadata, timeout_s=timeout_s, **options)


async def through(
    channel: grpc.aio.Channel,
    path: str,
    data: bytes,
    *,
    metadata: Mapping[str, str | bytes] | None = None,
    timeout_s: float | None = LONG_S,
    **options: Any,
) -> Outcome:
    """Send bytes to a method on a channel that is open."""
    method = BY_PATH[path]
    try:
        ask = channel.unary_stream(path) if method.streams else channel.unary_unary(path)
        call = ask(data, metadata=tuple((metadata or {}).items()), timeout=timeout_s, **options)
        answers = [answer async for answer in call] if method.streams else [await call]
    except grpc.aio.AioRpcError as error:
        trailing = tuple(error.trailing_metadata() or ())
        return _outcome(error.code().name, error.details() or "", dict(trailing).get(DETAILS_KEY), repr(error), data)
    return Outcome("OK", shown=repr([method.response.FromString(answer) for answer in answers]))


async def inside(network: LocalNetwork, path: str, data: bytes, *, timeout_s: float = LONG_S) -> Outcome:
    """Send bytes to a method of a network in this process, as one who may call it."""
    method = BY_PATH[path]
    if method.home == "collector":  # it listens outside alone
        return await over_the_wire(network, path, data, timeout_s=timeout_s)
    channel = network.channel(method.home, method.caller)
    try:
        if method.streams:
            follow = channel.unary_stream(path, None, method.response.FromString)
            return Outcome("OK", shown=repr([answer async for answer in follow(Raw(data), timeout=timeout_s)]))
        ask = channel.unary_unary(path, None, method.response.FromString)
        return Outcome("OK", shown=repr(await ask(Raw(data), timeout=timeout_s)))
    except Exception as fault:
        code, sentence, details = status_of(fault)
        return _outcome(code.name, sentence, details, repr(fault), data)


def _outcome(code: str, sentence: str, details: bytes | None, seen: str, sent: bytes) -> Outcome:
    status, info, bad, asked = Status.FromString(details or b""), ErrorInfo(), BadRequest(), RequestInfo()
    for detail in status.details:
        detail.Unpack(info) or detail.Unpack(bad) or detail.Unpack(asked)
    violations = tuple((violation.field, violation.description) for violation in bad.field_violations)
    shown = "\n".join((_PEER.sub("a service", seen), sentence, str(status), str(info), str(bad), repr(details)))
    # A trace's identifier is drawn, and by chance any short value stands in it: so it is looked at by itself.
    assert not asked.request_id or (len(asked.request_id) == 32 and asked.request_id.encode() not in sent)
    return Outcome(code, sentence, info.reason, violations, shown.replace(asked.request_id or "-", "-"))


async def stored(network: LocalNetwork) -> dict[bytes, bytes]:
    """All that the store holds: each key and its value, as Redis would move it elsewhere.

    But for the keyring: the token service provider looks after that by itself, whoever asks it or not.
    """
    store = Store(network.store.admin_url, owner="test", timeout_s=STORE_TIMEOUT_S)
    keys: list[bytes] = await store.command("KEYS", "*")
    contents = {key: await store.command("DUMP", key) for key in keys if not key.startswith(b"tsp:{keyring}:")}
    await store.close()
    return contents
