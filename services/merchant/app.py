"""The merchant's parts."""

from collections.abc import Sequence
from dataclasses import dataclass

from cardnet import messages
from cardnet.config import ServiceConfig
from cardnet.env import Env
from cardnet.journal import Journal
from cardnet.outbox import Sink
from cardnet.service import Connect, Service
from cardnet.store import Store
from cardnet.v1.acquirer_pb2_grpc import AcquirerStub
from cardnet.v1.merchant_pb2_grpc import add_MerchantServicer_to_server
from cardnet.v1.payment_pb2 import MerchantData
from cardnet.v1.token_lifecycle_pb2_grpc import TokenLifecycleStub
from cardnet.v1.token_service_pb2_grpc import TokenServiceStub
from services.merchant.domain import RequestorIds
from services.merchant.means import MeansOfPayment
from services.merchant.payment_key import PaymentKeys
from services.merchant.servicer import MerchantServicer
from services.merchant.shop import orders
from services.merchant.shop.site import Site
from services.merchant.store import LIBRARIES, RedisCardsOnFile, RedisUsedDetails
from services.merchant.token_requestor import TokenRequestor
from services.merchant.wallet_card import WalletCards


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
    """What the token service provider calls it: for cards on file …"""
    one_time_requestor_id: str = "00000000004"  # noqa: S105 - a name, not a secret
    """… for cards that pay once …"""
    recurring_requestor_id: str = "00000000005"  # noqa: S105 - a name, not a secret
    """… and for agreements, by which it begins payments itself. One identifier may serve for several of these."""
    payment_key_file: str = ""
    """Holds the private key to which wallets encrypt (PEM); written if it is not there. Empty: a new one, in memory."""
    tokens_origin: str = ""
    """The token service's origin, whose script the shop's pages link: http://localhost:8751."""
    wallet_origin: str = ""
    """The origin of the wallet that the shop's pages offer: http://wallet.localhost:8752."""
    acquirer_timeout_s: float = 11.0
    """How long the acquirer may take: longer than everybody behind it."""
    tsp_timeout_s: float = 6.0
    """How long the token service provider may take."""


def build(config: Config, env: Env, sinks: Sequence[Sink], connect: Connect | None = None) -> Service:
    """The merchant, ready to be started. InvalidField if the shop's own data break their rules, SettingMissing
    if its payment key is of no use."""
    store = Store(config.redis_url, *LIBRARIES, orders.LIBRARY, owner="merchant", timeout_s=config.store_timeout_s)
    service = Service("merchant", config, env, store, sinks, connect)
    shop, clock = _shop(config), env.clock
    ids = RequestorIds(config.one_time_requestor_id, config.token_requestor_id, config.recurring_requestor_id)
    tsp = service.channel("tsp", config.tsp, config.tsp_timeout_s)
    requestor = TokenRequestor(shop, ids, TokenServiceStub(tsp), TokenLifecycleStub(tsp))
    keys = PaymentKeys(config.payment_key_file, config.merchant_domain, clock)
    cards = RedisCardsOnFile(store)
    servicer = MerchantServicer(
        shop,
        requestor,
        MeansOfPayment(requestor, WalletCards(ids, keys, RedisUsedDetails(store), clock), cards),
        AcquirerStub(service.channel("acquirer", config.acquirer, config.acquirer_timeout_s)),
        cards,
        Journal(store, "merchant"),
        clock,
    )
    add_MerchantServicer_to_server(servicer, service.border)
    service.beside(servicer.reversals.run)
    if config.web_origin:
        from services.merchant.shop.face import shop_face  # who has no pages does not wait for a web framework

        service.before_serving(keys.prepare)  # else it is made when the first wallet's card comes, if ever one does
        service.face = shop_face(service, _site(config), keys.key)
    return service


def _site(config: Config) -> Site:
    return Site(
        name=config.name,
        origin=config.web_origin,
        merchant_id=config.merchant_id,
        tokens_origin=config.tokens_origin,
        wallet_origin=config.wallet_origin,
    )


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
