"""The token service provider's parts."""

from collections.abc import Sequence
from dataclasses import dataclass

from cardnet.cde.v1.issuer_pb2_grpc import IssuerStub
from cardnet.cde.v1.token_vault_pb2_grpc import add_TokenOperatorServicer_to_server, add_TokenVaultServicer_to_server
from cardnet.config import ServiceConfig, SettingMissing
from cardnet.env import Env
from cardnet.service import Connect, Service
from cardnet.store import Store
from cardnet.trace import Sink
from cardnet.v1.token_service_pb2_grpc import add_TokenServiceServicer_to_server
from cardnet.wire import GrpcLink
from services.tsp.keys import open_keys
from services.tsp.provisioning import TokenServiceServicer
from services.tsp.requestors import REQUESTORS
from services.tsp.servicer import TokenOperatorServicer, TokenVaultServicer
from services.tsp.vault import LIBRARY, RedisVault


@dataclass(frozen=True, kw_only=True)
class Config(ServiceConfig):
    """What the token service provider is told."""

    issuer: str
    """The issuer's address, to have accounts verified."""
    issuer_timeout_s: float = 2.0
    """How long the issuer may take for it."""
    keys_file: str = ""
    """Where the keys are kept; written if it is not there. Empty: keys for this run alone, whose tokens end with it."""
    cryptogram_key: str = ""
    """The cryptograms' master key, 32 hexadecimal digits, where the issuer is to have it too. Empty: one of our own."""
    cryptogram_window_s: int = 900
    """How long a cryptogram is good, in seconds."""
    cryptogram_validation: str = "tsp"
    """Who validates cryptograms: "tsp", or "issuer" to leave value and use to it."""


def build(config: Config, env: Env, sinks: Sequence[Sink], connect: Connect = GrpcLink) -> Service:
    """The token service provider, ready to be started. SettingMissing if a setting is of no use."""
    if config.cryptogram_validation not in ("tsp", "issuer"):
        raise SettingMissing("CARDNET_TSP_CRYPTOGRAM_VALIDATION must be tsp or issuer")
    keys = open_keys(config.keys_file, config.cryptogram_key)
    store = Store(config.redis_url, LIBRARY, owner="tsp")
    service = Service("tsp", config, env, store, sinks, connect)
    issuer = IssuerStub(service.channel("issuer", config.issuer, config.issuer_timeout_s))
    vault = RedisVault(store, keys, env.rng)

    detokeniser = TokenVaultServicer(
        vault,
        keys.cryptogram,
        env.clock,
        cryptogram_window_s=config.cryptogram_window_s,
        left_to_issuer=config.cryptogram_validation == "issuer",
    )
    add_TokenVaultServicer_to_server(detokeniser, service.border)
    add_TokenOperatorServicer_to_server(TokenOperatorServicer(vault), service.border)
    add_TokenServiceServicer_to_server(TokenServiceServicer(vault, keys, issuer, env, REQUESTORS), service.border)
    return service
