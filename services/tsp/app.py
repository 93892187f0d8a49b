"""The token service provider's parts."""

from collections.abc import Sequence
from dataclasses import dataclass

from cardnet.cde.v1.issuer_pb2_grpc import IssuerStub
from cardnet.cde.v1.pan_lifecycle_pb2_grpc import add_PanLifecycleServicer_to_server
from cardnet.cde.v1.token_operator_pb2_grpc import add_TokenOperatorServicer_to_server
from cardnet.cde.v1.token_vault_pb2_grpc import add_TokenDisclosureServicer_to_server, add_TokenVaultServicer_to_server
from cardnet.config import ServiceConfig, SettingMissing
from cardnet.env import Env
from cardnet.outbox import Sink
from cardnet.service import Connect, Service
from cardnet.store import Store
from cardnet.v1.token_lifecycle_pb2_grpc import (
    add_TokenLifecycleServicer_to_server,
    add_TokenNotificationsServicer_to_server,
)
from cardnet.v1.token_service_pb2_grpc import add_TokenServiceServicer_to_server
from services.tsp import holdings, keyring, turns
from services.tsp import notifications as telling
from services.tsp import vault as keeping
from services.tsp.audit import AuditLog
from services.tsp.browser import tokens as handing
from services.tsp.browser.cards import PageCards
from services.tsp.browser.exchange import Exchange
from services.tsp.browser.origins import Origins
from services.tsp.browser.tokens import BrowserTokens
from services.tsp.cards import Cards
from services.tsp.cryptograms import Cryptograms
from services.tsp.disclosure import TokenDisclosureServicer
from services.tsp.issuing import Issuing
from services.tsp.kek import kek_provider
from services.tsp.key_office import KeyOffice
from services.tsp.keys import KeySet
from services.tsp.lifecycle import TokenLifecycleServicer
from services.tsp.notifications import Notifications, Relay, TokenNotificationsServicer
from services.tsp.operator import TokenOperatorServicer
from services.tsp.policy import Policy
from services.tsp.probes import MOST_AT_ONCE, Probes
from services.tsp.provisioning import Provisioning
from services.tsp.replacement import PanLifecycleServicer
from services.tsp.requesting import TokenServiceServicer
from services.tsp.requestors import Requestors
from services.tsp.servicer import TokenVaultServicer
from services.tsp.tokenized_card import TokenizedCards
from services.tsp.uses import Uses
from services.tsp.vault import RedisVault
from services.tsp.webhooks import Webhooks

LIBRARIES = (keeping.LIBRARY, telling.LIBRARY, keyring.LIBRARY, holdings.LIBRARY, turns.LIBRARY, handing.LIBRARY)


@dataclass(frozen=True, kw_only=True)
class Config(ServiceConfig):
    """What the token service provider is told."""

    issuer: str
    """The issuer's address, to have accounts verified."""
    issuer_timeout_s: float = 4.0
    """How long the issuer may take for it."""
    origins: str = ""
    """The origins that are registered to requestors, by their identities: merchant=http://localhost:8750,…: their pages
    may have cards made tokens, and their keys may be what wallets encrypt to."""
    browser_token_life_s: int = 1200
    """How long a token is good that a page got for a card, in seconds."""
    kek: str = ""
    """The key-encryption key, 64 hexadecimal digits. Without it, a file and a provider the vault is sealed until the
    operator brings the key."""
    kek_file: str = ""
    """A file that holds it and that its owner alone can read."""
    kek_file_create: bool = False
    """Whether that file is written, with a new key, if it is not there."""
    kek_provider: str = ""
    """What gives it: "module:callable", whose result has `async def key() -> bytes` (services/tsp/kek.py)."""
    audit_file: str = ""
    """The audit log; written if it is not there. Empty: a temporary one, which knows of no rollback before this run."""
    cryptogram_key: str = ""
    """The cryptograms' master key, 32 hexadecimal digits, where the issuer is to have it too. Empty: one of our own."""
    cryptogram_window_s: int = 900
    """How long a cryptogram is good, in seconds."""
    cryptogram_validation: str = "tsp"
    """Who validates cryptograms: "tsp", or "issuer" to leave value and use to it."""
    most_failures: int = 5
    """How many cryptograms of one token may fail in a row: then it is suspended until the operator resumes it."""
    most_probes: int = MOST_AT_ONCE
    """How often a caller may ask in vain at once before it has to wait; 0 for no limit."""
    answers_alike: bool = False
    """Whether an unknown token, a foreign one and a bad cryptogram are all answered 14, as real networks do."""
    amounts_decide: bool = True
    """Whether amounts that end in 77 and a response code bring that refusal about (services/tsp/policy.py)."""


def build(config: Config, env: Env, sinks: Sequence[Sink], connect: Connect | None = None) -> Service:
    """The token service provider, ready to be started. SettingMissing if a setting is of no use."""
    if config.cryptogram_validation not in ("tsp", "issuer"):
        raise SettingMissing("CARDNET_TSP_CRYPTOGRAM_VALIDATION must be tsp or issuer")
    policy = Policy(
        cryptogram_window_s=config.cryptogram_window_s,
        left_to_issuer=config.cryptogram_validation == "issuer",
        most_failures=config.most_failures,
        amounts_decide=config.amounts_decide,
        answers_alike=config.answers_alike,
    )
    origins = Origins(config.origins)
    store = Store(config.redis_url, *LIBRARIES, owner="tsp", timeout_s=config.store_timeout_s)
    service = Service("tsp", config, env, store, sinks, connect)
    issuer = IssuerStub(service.channel("issuer", config.issuer, config.issuer_timeout_s))

    provider = kek_provider(config.kek, config.kek_file, config.kek_file_create, config.kek_provider)
    keys = KeySet(store, env.clock, config.cryptogram_key)
    audit = AuditLog(config.audit_file, keys, env.clock)
    office = KeyOffice(store, keys, audit, env.clock, provider, cryptogram_window_s=config.cryptogram_window_s)
    service.before_serving(office.start)
    service.beside(office.tend)
    service.serving_while(lambda: not keys.sealed)
    cards = Cards(store, keys, env.rng)
    vault = RedisVault(store, keys, audit, cards, env)
    uses = Uses(store, keys)
    requestors = Requestors(store, keys)
    office.also(requestors.reseal)
    probes = Probes(env.clock, config.most_probes)

    browser_tokens = BrowserTokens(store, keys, env.clock, config.browser_token_life_s)
    if config.web_origin:
        from services.tsp.browser.face import tokens_face  # who has no pages does not wait for a web framework

        page_cards = PageCards(browser_tokens, keys, requestors, origins, env.clock)
        service.face = tokens_face(config.web_origin, origins, page_cards, keys)

    notifications = Notifications(store)
    webhooks = Webhooks(store, notifications, requestors, env.clock, office.turns)
    service.beside(Relay(store, notifications, vault.changed).run)
    service.beside(webhooks.run)

    issuing = Issuing(vault, cards, issuer, env)
    cryptograms = Cryptograms(uses, keys, policy)
    provisioning = Provisioning(issuing, vault, keys, issuer, requestors, probes, Exchange(browser_tokens, env.clock))
    tokenized_cards = TokenizedCards(issuing, vault, cryptograms, requestors, origins, probes, env.clock)
    requesting = TokenServiceServicer(
        provisioning, tokenized_cards, vault, cryptograms, keys, requestors, probes, env.clock, policy
    )
    add_TokenServiceServicer_to_server(requesting, service.border)
    vault_servicer = TokenVaultServicer(vault, uses, cards, keys, audit, probes, env.clock, policy)
    add_TokenVaultServicer_to_server(vault_servicer, service.border)
    add_TokenDisclosureServicer_to_server(TokenDisclosureServicer(vault, audit, probes), service.admin)
    for border in (service.border, service.admin):  # the operator may do what requestors and issuers do
        lifecycle = TokenLifecycleServicer(vault, requestors, probes, env.clock)
        add_TokenLifecycleServicer_to_server(lifecycle, border)
        add_PanLifecycleServicer_to_server(PanLifecycleServicer(vault, cards), border)
    follow = TokenNotificationsServicer(notifications, requestors)
    add_TokenNotificationsServicer_to_server(follow, service.border)
    operator = TokenOperatorServicer(vault, requestors, store, office, webhooks.wake)
    add_TokenOperatorServicer_to_server(operator, service.admin)
    return service
