"""The wallet's parts."""

from collections.abc import Sequence
from dataclasses import dataclass

from cardnet.config import ServiceConfig, SettingMissing
from cardnet.env import Env
from cardnet.origin import is_origin
from cardnet.outbox import Sink
from cardnet.service import Connect, Service
from cardnet.store import Store
from cardnet.v1.token_service_pb2_grpc import TokenServiceStub
from services.wallet.cards import Cards
from services.wallet.desk import Desk
from services.wallet.face import face
from services.wallet.store import LIBRARY, RedisWallets


@dataclass(frozen=True, kw_only=True)
class Config(ServiceConfig):
    """What the wallet is told."""

    tsp: str
    """The token service provider's address."""
    tsp_timeout_s: float = 6.0
    """How long it may take."""
    token_requestor_id: str = "00000000006"  # noqa: S105 - a name, not a secret
    """What the token service provider calls the wallet."""
    key_origins: str = ""
    """The origins, separated by commas, from which the wallet's pages may fetch the keys of those who are paid."""


def build(config: Config, env: Env, sinks: Sequence[Sink], connect: Connect | None = None) -> Service:
    """The wallet, ready to be started. SettingMissing where an origin is none."""
    store = Store(config.redis_url, LIBRARY, owner="wallet", timeout_s=config.store_timeout_s)
    service = Service("wallet", config, env, store, sinks, connect)
    if config.web_origin:
        tsp = TokenServiceStub(service.channel("tsp", config.tsp, config.tsp_timeout_s))
        cards, origins = Cards(tsp, config.token_requestor_id), _origins(config.key_origins)
        desk = Desk(cards, RedisWallets(store), env.clock, f"{config.web_origin}/pay", origins)
        service.face = face(desk, config.web_origin, origins)
    return service


def _origins(text: str) -> frozenset[str]:
    origins = frozenset(filter(None, (origin.strip() for origin in text.split(","))))
    if not all(map(is_origin, origins)):
        raise SettingMissing("CARDNET_WALLET_KEY_ORIGINS must be origins such as https://shop.example, with commas")
    return origins
