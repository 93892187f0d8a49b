"""A network of which the test holds the authority, its doors, and a caller who shows what the test gives him."""

from pathlib import Path
from typing import Any, NamedTuple

import grpc
import grpc.aio
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from mint import Folder

from cardnet.certificates import Identity
from cardnet.errors import Fault
from cardnet.otlp import EXPORT
from cardnet.testing import LocalNetwork
from cardnet.wire import GrpcLink

DETAILS = "grpc-status-details-bin"


class At(NamedTuple):
    """A door, a method that is served there, and one who may call it."""

    service: str
    method: str
    caller: str
    admin: bool = False

    def address(self, network: LocalNetwork) -> str:
        if self.service == "collector":
            return network.collector_address
        return (network.admin_addresses if self.admin else network.addresses)[self.service]


DOORS = [
    At("merchant", "/cardnet.v1.Merchant/Checkout", "cardholder"),
    At("acquirer", "/cardnet.v1.Acquirer/SubmitPayment", "merchant"),
    At("network", "/cardnet.v1.Network/RouteAuthorisation", "acquirer"),
    At("tsp", "/cardnet.cde.v1.TokenVault/Detokenise", "network"),
    At("tsp", "/cardnet.cde.v1.TokenOperator/ListTokens", "operator", admin=True),
    At("issuer", "/cardnet.cde.v1.Issuer/Authorise", "network"),
    At("issuer", "/cardnet.cde.v1.IssuerOperator/GetAccount", "operator", admin=True),
    At("collector", "/cardnet.v1.Traces/ListTraces", "cardholder"),
    At("collector", EXPORT, "merchant"),
]


def named(at: At) -> str:
    return f"{at.service}{' admin' if at.admin else ''} {at.method.rpartition('/')[2]}"


def credentials(shown: Folder) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(shown.authorities, shown.key or None, shown.certificate or None)


async def knock(at: At, address: str, with_: grpc.ChannelCredentials | None) -> tuple[str, str]:
    """Send bytes that are no message: the status, and the reason where a service gave one. with_: None for plain text.

    Whoever is let in hears INVALID_ARGUMENT.
    """
    options: Any = (("grpc.ssl_target_name_override", at.service), ("grpc.enable_retries", 0))
    channel = grpc.aio.secure_channel(address, with_, options) if with_ else grpc.aio.insecure_channel(address, options)
    async with channel:
        try:
            await channel.unary_unary(at.method)(b"\xff", timeout=25)
        except grpc.aio.AioRpcError as error:
            details = dict(tuple(error.trailing_metadata() or ())).get(DETAILS, b"")
            info = ErrorInfo()
            for detail in Status.FromString(details).details:
                detail.Unpack(info)
            return error.code().name, info.reason
    return "OK", ""


async def asked_as_cardnet_asks(at: At, address: str, folder: Path | str) -> Fault:
    """The fault that a service or a command of cardnet's meets which asks there with this identity."""
    as_ = Identity(folder) if isinstance(folder, Path) else folder
    link = GrpcLink(at.service, address, as_)
    try:
        await link.call(at.method, b"\xff", {}, 25)
    except Fault as fault:
        return fault
    finally:
        await link.close()
    raise AssertionError("bytes that are no message were answered")
