"""The payment network's parts."""

from collections.abc import Sequence
from dataclasses import dataclass

from cardnet.cde.v1.issuer_pb2_grpc import IssuerStub
from cardnet.cde.v1.token_vault_pb2_grpc import TokenVaultStub
from cardnet.config import ServiceConfig
from cardnet.env import Env
from cardnet.outbox import Sink
from cardnet.reversals import Reversals
from cardnet.service import Connect, Service
from cardnet.store import Store
from cardnet.v1.network_pb2_grpc import add_NetworkServicer_to_server
from services.network.servicer import NetworkServicer
from services.network.store import LIBRARIES, ReversalBook


@dataclass(frozen=True, kw_only=True)
class Config(ServiceConfig):
    """What the network is told."""

    tsp: str
    """The token service provider's address: it may sit anywhere (EMVCo's flow)."""
    issuer: str
    """The issuer's address."""
    tsp_timeout_s: float = 5.0
    """How long the token service provider may take."""
    issuer_timeout_s: float = 2.5
    """How long the issuer may take before the network answers 91 in its place."""


def build(config: Config, env: Env, sinks: Sequence[Sink], connect: Connect | None = None) -> Service:
    """The network, ready to be started."""
    store = Store(config.redis_url, *LIBRARIES, owner="network", timeout_s=config.store_timeout_s)
    service = Service("network", config, env, store, sinks, connect)
    tsp = TokenVaultStub(service.channel("tsp", config.tsp, config.tsp_timeout_s))
    issuer = IssuerStub(service.channel("issuer", config.issuer, config.issuer_timeout_s))

    book = ReversalBook(store)
    servicer = NetworkServicer(tsp, issuer, book)
    reversals = Reversals(book.journal, env.clock, servicer.reverse_later)
    servicer.on_reversal_noted = reversals.wake

    add_NetworkServicer_to_server(servicer, service.border)
    service.beside(reversals.run)
    return service
