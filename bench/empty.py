"""One service of the empty chain: `python -m bench.empty merchant acquirer=HOST:PORT tsp=HOST:PORT`.

The same messages in the same order over the same wire, and nothing besides: generated stubs and servicers on grpc.aio
and uvloop, no checks, no cryptography, no store, no trace, no credentials, no deadlines. What the five services cost
beyond this chain is what they do.
"""

import asyncio
import sys
from collections.abc import Callable, Mapping
from typing import Any

import grpc.aio
import uvloop

from bench import samples
from cardnet.cde.v1.issuer_pb2_grpc import IssuerServicer, IssuerStub, add_IssuerServicer_to_server
from cardnet.cde.v1.token_vault_pb2_grpc import TokenVaultServicer, TokenVaultStub, add_TokenVaultServicer_to_server
from cardnet.v1.acquirer_pb2_grpc import AcquirerServicer, AcquirerStub, add_AcquirerServicer_to_server
from cardnet.v1.merchant_pb2_grpc import MerchantServicer, add_MerchantServicer_to_server
from cardnet.v1.network_pb2_grpc import NetworkServicer, NetworkStub, add_NetworkServicer_to_server
from cardnet.v1.token_service_pb2_grpc import TokenServiceServicer, TokenServiceStub, add_TokenServiceServicer_to_server
from cardnet.wire import CHANNEL_OPTIONS, SERVER_OPTIONS

Channels = Mapping[str, grpc.aio.Channel]


class EmptyMerchant(MerchantServicer):
    """Asks the TSP, then the acquirer."""

    def __init__(self, channels: Channels) -> None:
        self._tsp = TokenServiceStub(channels["tsp"])
        self._acquirer = AcquirerStub(channels["acquirer"])

    async def Checkout(self, _request: Any, _context: object) -> Any:
        """Steps 1, 2 and 9."""
        await self._tsp.RequestCryptogram(samples.CRYPTOGRAM_REQUEST)
        await self._acquirer.SubmitPayment(samples.PAYMENT_REQUEST)
        return samples.CHECKOUT_RESPONSE


class EmptyAcquirer(AcquirerServicer):
    """Asks the network."""

    def __init__(self, channels: Channels) -> None:
        self._network = NetworkStub(channels["network"])

    async def SubmitPayment(self, _request: Any, _context: object) -> Any:
        """Steps 3 and 8."""
        await self._network.RouteAuthorisation(samples.ROUTE_REQUEST)
        return samples.PAYMENT_RESPONSE


class EmptyNetwork(NetworkServicer):
    """Asks the TSP, then the issuer."""

    def __init__(self, channels: Channels) -> None:
        self._tsp = TokenVaultStub(channels["tsp"])
        self._issuer = IssuerStub(channels["issuer"])

    async def RouteAuthorisation(self, _request: Any, _context: object) -> Any:
        """Steps 4, 5 and 7."""
        await self._tsp.Detokenise(samples.DETOKENISE_REQUEST)
        await self._issuer.Authorise(samples.AUTHORISE_REQUEST)
        return samples.ROUTE_RESPONSE


class EmptyTokenService(TokenServiceServicer):
    """Asks the issuer about an account, and otherwise nobody."""

    def __init__(self, channels: Channels) -> None:
        self._issuer = IssuerStub(channels["issuer"]) if "issuer" in channels else None

    async def RequestToken(self, _request: Any, _context: object) -> Any:
        """A Token Request, which is no part of an authorisation: for bench/vault."""
        assert self._issuer is not None
        await self._issuer.VerifyAccount(samples.VERIFY_REQUEST)
        return samples.TOKEN_RESPONSE

    async def RequestCryptogram(self, _request: Any, _context: object) -> Any:
        """Before step 1."""
        return samples.CRYPTOGRAM_RESPONSE


class EmptyTokenVault(TokenVaultServicer):
    """Asks nobody."""

    async def Detokenise(self, _request: Any, _context: object) -> Any:
        """Step 4."""
        return samples.DETOKENISE_RESPONSE


class EmptyIssuer(IssuerServicer):
    """Asks nobody."""

    async def VerifyAccount(self, _request: Any, _context: object) -> Any:
        """Of a Token Request."""
        return samples.VERIFY_RESPONSE

    async def Authorise(self, _request: Any, _context: object) -> Any:
        """Step 6."""
        return samples.AUTHORISE_RESPONSE


Part = Callable[[Channels, grpc.aio.Server], None]

PARTS: Mapping[str, tuple[Part, ...]] = {
    "merchant": (lambda channels, server: add_MerchantServicer_to_server(EmptyMerchant(channels), server),),
    "acquirer": (lambda channels, server: add_AcquirerServicer_to_server(EmptyAcquirer(channels), server),),
    "network": (lambda channels, server: add_NetworkServicer_to_server(EmptyNetwork(channels), server),),
    "tsp": (
        lambda channels, server: add_TokenServiceServicer_to_server(EmptyTokenService(channels), server),
        lambda _, server: add_TokenVaultServicer_to_server(EmptyTokenVault(), server),
    ),
    "issuer": (lambda _, server: add_IssuerServicer_to_server(EmptyIssuer(), server),),
}


async def serve(name: str, neighbours: Mapping[str, str]) -> None:
    """Serve until standard input ends; says `ready PORT` as the real services do."""
    channels = {name: grpc.aio.insecure_channel(at, options=CHANNEL_OPTIONS) for name, at in neighbours.items()}
    server = grpc.aio.server(options=SERVER_OPTIONS)
    for add in PARTS[name]:
        add(channels, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"ready {port}", flush=True)
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), over.set)
    await over.wait()
    await server.stop(0)


if __name__ == "__main__":
    service, *addresses = sys.argv[1:]
    uvloop.run(serve(service, dict(address.split("=", 1) for address in addresses)))
