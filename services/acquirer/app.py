"""The acquirer's parts."""

from collections.abc import Sequence
from dataclasses import dataclass

from cardnet.config import ServiceConfig
from cardnet.env import Env
from cardnet.journal import Journal
from cardnet.outbox import Sink
from cardnet.service import Connect, Service
from cardnet.store import Store
from cardnet.v1.acquirer_pb2_grpc import add_AcquirerServicer_to_server
from cardnet.v1.network_pb2_grpc import NetworkStub
from services.acquirer.servicer import AcquirerServicer
from services.acquirer.store import LIBRARIES


@dataclass(frozen=True, kw_only=True)
class Config(ServiceConfig):
    """What the acquirer is told. Its merchants stand in domain.py."""

    network: str
    """The payment network's address."""
    acquirer_id: str = "99990000001"
    """What the network calls it: ISO 8583 field 32."""
    network_timeout_s: float = 9.0
    """How long the network may take: longer than it waits for those behind it, shorter than the merchant waits."""


def build(config: Config, env: Env, sinks: Sequence[Sink], connect: Connect | None = None) -> Service:
    """The acquirer, ready to be started."""
    store = Store(config.redis_url, *LIBRARIES, owner="acquirer", timeout_s=config.store_timeout_s)
    service = Service("acquirer", config, env, store, sinks, connect)
    network = NetworkStub(service.channel("network", config.network, config.network_timeout_s))
    servicer = AcquirerServicer(config.acquirer_id, network, Journal(store, "acquirer"), env.clock)
    add_AcquirerServicer_to_server(servicer, service.border)
    service.beside(servicer.reversals.run)
    return service
