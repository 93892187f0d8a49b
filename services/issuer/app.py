"""The issuer's parts."""

from asyncio import gather
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from cardnet.card import Expiry, Pan
from cardnet.cde.v1.issuer_pb2_grpc import add_IssuerOperatorServicer_to_server, add_IssuerServicer_to_server
from cardnet.config import ServiceConfig
from cardnet.cryptogram import CryptogramKey
from cardnet.env import Env
from cardnet.money import Money
from cardnet.outbox import Sink
from cardnet.service import Connect, Service
from cardnet.store import Store
from cardnet.test_cards import TEST_CARDS, TestCard
from services.issuer import passcodes, store
from services.issuer.cryptograms import Cryptograms
from services.issuer.domain import Account, Status, TokenState, Verification
from services.issuer.keys import PasscodeKeys, account_key, key_of
from services.issuer.passcodes import RedisPasscodes
from services.issuer.servicer import IssuerOperatorServicer, IssuerServicer
from services.issuer.store import RedisLedger


@dataclass(frozen=True, kw_only=True)
class Config(ServiceConfig):
    """What the issuer is told."""

    account_key: str = ""
    """The key under whose HMAC accounts are kept: 64 hexadecimal digits. Empty: taken from `keys_file`."""
    keys_file: str = ""
    """The file that keeps the account key; written if it is not there. Both empty: a key for this run alone, which fits
    a store that is thrown away with it."""
    cryptogram_key: str = ""
    """The cryptograms' master key, 32 hexadecimal digits, where the token service provider leaves them to the issuer.
    Empty: the issuer has no keys."""
    seed_cards: bool = True
    """Whether the accounts of the test cards are opened at the start, if they are not there yet."""
    passcode_tries: int = 3
    """How often a cardholder may type a one-time passcode."""
    passcode_minutes: int = 10
    """How long a one-time passcode is good."""


def build(config: Config, env: Env, sinks: Sequence[Sink], connect: Connect | None = None) -> Service:
    """The issuer, ready to be started. SettingMissing if a key is not one."""
    ledger_store = Store(
        config.redis_url, store.LIBRARY, passcodes.LIBRARY, owner="issuer", timeout_s=config.store_timeout_s
    )
    service = Service("issuer", config, env, ledger_store, sinks, connect)
    key = account_key(config.account_key, config.keys_file)
    ledger = RedisLedger(ledger_store, key)
    sent = RedisPasscodes(
        ledger_store, PasscodeKeys.derive(key), config.passcode_tries, timedelta(minutes=config.passcode_minutes)
    )
    cryptograms = Cryptograms(_cryptogram_key(config))

    add_IssuerServicer_to_server(IssuerServicer(ledger, cryptograms, sent, env), service.border)
    add_IssuerOperatorServicer_to_server(IssuerOperatorServicer(ledger, sent), service.admin)
    service.before_serving(ledger.recognise_key)
    if config.seed_cards:
        service.before_serving(lambda: _seed(ledger))
    return service


def _cryptogram_key(config: Config) -> CryptogramKey | None:
    return CryptogramKey(key_of("CRYPTOGRAM_KEY", config.cryptogram_key, 16)) if config.cryptogram_key else None


async def _seed(ledger: RedisLedger) -> None:
    await gather(*(ledger.open_account(Pan(card.pan), _account_of(card)) for card in TEST_CARDS))
    # What replaced a card has an account as good as any.
    replaced = [card for card in TEST_CARDS if card.successor]
    await gather(*(ledger.open_account(Pan(card.successor), _successor_of(card)) for card in replaced))


def _account_of(card: TestCard) -> Account:
    return Account(
        expiry=Expiry.parse(card.expiry),
        available=card.balance,
        held=Money(0, card.balance.currency),
        holds=0,
        status=Status(card.status),
        purchase_limit=card.purchase_limit,
        token_state=TokenState(card.token_state),
        verification=Verification(card.verification),
    )


def _successor_of(card: TestCard) -> Account:
    return replace(_account_of(card), status=Status.OPEN)
