"""The merchant's parts."""

from collections.abc import Sequence
from dataclasses import dataclass

from cardnet import messages
from cardnet.config import ServiceConfig
from cardnet.env import Env
from cardnet.journal import Journal
from cardnet.service import Connect, Service
from cardnet.store import Store
from cardnet.trace import Sink
from cardnet.v1.acquirer_pb2_grpc import AcquirerStub
from cardnet.v1.merchant_pb2_grpc import add_MerchantServicer_to_server
from cardnet.v1.payment_pb2 import MerchantData
from cardnet.v1.token_service_pb2_grpc import TokenServiceStub
from services.merchant.servicer import MerchantServicer
from services.merchant.store import LIBRARIES, RedisCardsOnFile


@dataclass(frozen=True, kw_only=True)
class Config(ServiceConfig):
    """What the shop is told."""

    acquirer: str
    """The acquirer's address."""
    tsp: str
    """The token service provider's address."""
    name: str = "Example Shop"
    """The shop's name, as the cardholder's statement shows it."""
    merchant_id: str = "MERCHANT0000001"
    """What the acquirer calls it: ISO 8583 field 42."""
    merchant_domain: str = "shop.example"
    """The host name of its site."""
    mcc: str = "5732"
    """What it sells: a merchant category code (ISO 18245), as registered with the acquirer."""
    country: str = "840"
    """Where it is (ISO 3166-1 numeric)."""
    token_requestor_id: str = "00000000001"  # noqa: S105 - a name, not a secret
    """What the token service provider calls it."""
    acquirer_timeout_s: float = 11.0
    """How long the acquirer may take: longer than everybody behind it."""
    tsp_timeout_s: float = 6.0
    """How long the token service provider may take."""


def build(config: Config, env: Env, sinks: Sequence[Sink], connect: Connect | None = None) -> Service:
    """The merchant, ready to be started. InvalidField if the shop's own data break their rules."""
    store = Store(config.redis_url, *LIBRARIES, owner="merchant", timeout_s=config.store_timeout_s)
    service = Service("merchant", config, env, store, sinks, connect)
    servicer = MerchantServicer(
        _shop(config),
        config.token_requestor_id,
        AcquirerStub(service.channel("acquirer", config.acquirer, config.acquirer_timeout_s)),
        TokenServiceStub(service.channel("tsp", config.tsp, config.tsp_timeout_s)),
        RedisCardsOnFile(store),
        Journal(store, "merchant"),
        env.clock,
    )
    add_MerchantServicer_to_server(servicer, service.border)
    service.beside(servicer.reversals.run)
    return service


def _shop(config: Config) -> MerchantData:
    shop = MerchantData(
        merchant_id=config.merchant_id,
        merchant_domain=config.merchant_domain,
        merchant_name=config.name,
        merchant_category_code=config.mcc,
        merchant_country=config.country,
    )
    messages.check(shop)
    return shop
