"""An issuer that runs, for the tests of this folder."""

import hmac
from itertools import count

from patience import STORE_TIMEOUT_S

from cardnet.card import luhn_digit
from cardnet.cde.v1 import issuer_pb2 as pb
from cardnet.cde.v1.issuer_pb2_grpc import IssuerOperatorStub, IssuerStub
from cardnet.cde.v1.token_vault_pb2 import OnBehalfOfValidation
from cardnet.client import Channel
from cardnet.embedded_store import EmbeddedStore
from cardnet.env import Env
from cardnet.v1.payment_pb2 import MerchantData, PosEntryMode, TransactionKey
from cardnet.wire import InProcessLink
from services.issuer.app import Config, build

KEY = "11" * 32


CRYPTOGRAM_KEY = "000102030405060708090A0B0C0D0E0F"


LEFT_TO_ISSUER = OnBehalfOfValidation.ON_BEHALF_OF_VALIDATION_CRYPTOGRAM_LEFT_TO_ISSUER


EUR, USD = "978", "840"


TOKEN = "9999400000000014"


_numbers = count(1)


class Bank:
    """An issuer that runs, and its three kinds of callers."""

    def __init__(self, store: EmbeddedStore, **settings: object) -> None:
        config = Config(
            redis_url=store.url("issuer"),
            store_timeout_s=STORE_TIMEOUT_S,
            frozen_at="2026-11-22T09:30:00Z",
            **{"account_key": KEY, "seed_cards": False, **settings},
        )
        env = Env.of("issuer", "seed", config.frozen_at)
        self.clock = env.clock
        self.service = build(config, env, [], connect=lambda *_: None)  # it has no neighbours
        self.link = InProcessLink("issuer", self.service.border, "network")
        self.issuer = IssuerStub(self._channel("network"))
        tsp = IssuerStub(self._channel("tsp"))
        self.verify, self.check_passcode = tsp.VerifyAccount, tsp.CheckPasscode
        self.operator = IssuerOperatorStub(self._channel("operator"))

    def _channel(self, caller: str) -> Channel:
        link = InProcessLink("issuer", self.service.border_for(caller), caller)
        return Channel(link, Env.of("test"), timeout_s=25)

    async def __aenter__(self) -> "Bank":
        await self.service.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.service.stop()

    async def open(self, balance_minor: int, **fields: object) -> str:
        """A new account in EUR; gives its PAN."""
        digits = f"99990050{next(_numbers):07}"
        pan = digits + luhn_digit(digits)
        fields = {"status": pb.ACCOUNT_STATUS_OPEN, "pan_expiry": "3011", "currency": EUR, **fields}
        opened = await self.operator.OpenAccount(pb.OpenAccountRequest(pan=pan, balance_minor=balance_minor, **fields))
        assert opened.response_code == "00"
        return pan

    async def stands(self, pan: str) -> tuple[int, int, int]:
        """What is available, what is held, how many holds there are."""
        account = await self.operator.GetAccount(pb.GetAccountRequest(pan=pan))
        return account.available_minor, account.held_minor, account.holds

    async def authorise(self, request: pb.AuthoriseRequest) -> str:
        return (await self.issuer.Authorise(request)).response_code

    async def reverse(self, original: pb.AuthoriseRequest, **changes: object) -> str:
        fields = {"amount_minor": original.amount_minor, "currency": original.currency, **changes}
        request = pb.ReverseRequest(transaction=original.transaction, pan=original.pan, **fields)
        return (await self.issuer.Reverse(request)).response_code


def purchase(pan: str, amount_minor: int = 100, **changes: object) -> pb.AuthoriseRequest:
    """A purchase that nothing is wrong with, as the network sends it; each has its own transaction."""
    number = next(_numbers)
    fields = {
        "transaction": TransactionKey(
            acquirer_id="99990000001",
            stan=f"{number:06}",
            transmission_time="1122093000",
            rrn=f"632609{number:06}",
        ),
        "pan_expiry": "3011",
        "currency": EUR,
        "merchant": merchant("MERCHANT0000001"),
        "pos_entry_mode": PosEntryMode.POS_ENTRY_MODE_ECOMMERCE,
        "on_behalf_of_validation": OnBehalfOfValidation.ON_BEHALF_OF_VALIDATION_PASSED,
        "payment_token": TOKEN,
        "token_assurance_level": "00",
        "token_requestor_id": "00000000001",
    }
    return pb.AuthoriseRequest(pan=pan, amount_minor=amount_minor, **{**fields, **changes})


def merchant(merchant_id: str) -> MerchantData:
    return MerchantData(
        merchant_id=merchant_id,
        merchant_domain="shop.example",
        merchant_name="Shop",
        merchant_category_code="5942",
        merchant_country="392",
    )


def tagged(pan: str) -> str:
    """Where the store keeps what belongs to an account."""
    return f"issuer:{{{hmac.digest(bytes.fromhex(KEY), pan.encode(), 'sha256').hex()[:32]}}}"


def repeated(request: pb.AuthoriseRequest, **changes: object) -> pb.AuthoriseRequest:
    """The same transaction once more, with something else in it."""
    again = pb.AuthoriseRequest()
    again.CopyFrom(request)
    again.MergeFrom(pb.AuthoriseRequest(**changes))
    return again
