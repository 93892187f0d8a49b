"""A token service provider for tests: over the in-process wire, with a real store and an issuer of few words."""

from datetime import UTC, datetime
from itertools import count
from typing import Any

from cardnet.border import Border
from cardnet.cde.v1 import issuer_pb2, issuer_pb2_grpc
from cardnet.cde.v1 import token_vault_pb2 as pb
from cardnet.cde.v1.token_vault_pb2_grpc import TokenOperatorStub, TokenVaultStub
from cardnet.client import Channel
from cardnet.embedded_store import EmbeddedStore
from cardnet.encrypted_card import encrypt
from cardnet.env import Env, FrozenClock, Rng
from cardnet.errors import Unavailable
from cardnet.identity import Callers, digest
from cardnet.store import Store
from cardnet.trace import Recorder
from cardnet.v1 import payment_pb2, token_service_pb2
from cardnet.v1.token_service_pb2_grpc import TokenServiceStub
from cardnet.wire import InProcessLink
from services.tsp.app import Config, build

PAN, DEBIT, LATE = "9999000000000012", "9999100000000010", "9999000000000111"
KEY = "000102030405060708090A0B0C0D0E0F"
ON_FILE, WITH_CRYPTOGRAM = "00000000001", "00000000002"
START = datetime(2026, 11, 22, 23, 50, tzinfo=UTC)
SHOP = payment_pb2.MerchantData(
    merchant_id="MERCHANT0000001",
    merchant_domain="shop.example",
    merchant_name="Shop",
    merchant_category_code="5732",
    merchant_country="840",
)
ALL = list(range(1, 8))
_numbers = count(1)


class TinyIssuer(issuer_pb2_grpc.IssuerServicer):
    """An issuer that verifies accounts: what it says of each stands in `answers`, and of any other that it has none."""

    def __init__(self) -> None:
        self.answers = {(PAN, "3011"): "00", (DEBIT, "3011"): "00", (LATE, "3011"): "54"}
        self.token_state = 0

    async def VerifyAccount(self, request: Any, call: Any) -> issuer_pb2.VerifyAccountResponse:  # noqa: ARG002
        code = self.answers.get((request.pan, request.pan_expiry), "14")
        if code == "silent":
            raise Unavailable("SILENT", "no answer")
        state = (self.token_state or pb.TOKEN_STATE_ACTIVE) if code == "00" else 0
        return issuer_pb2.VerifyAccountResponse(response_code=code, token_state=state)


class Provider:
    """A token service provider that runs, and its callers."""

    def __init__(self, store: EmbeddedStore, **settings: object) -> None:
        self.clock = FrozenClock(START)
        self.env = Env(self.clock, Rng("tsp"), Rng("trace"))
        self.bank = TinyIssuer()
        issuer = Border(self.env, Callers({"tsp": digest("tsp")}), Recorder("issuer", []))
        issuer_pb2_grpc.add_IssuerServicer_to_server(self.bank, issuer)
        config = Config(
            redis_url=store.url("tsp"),
            credential="tsp",
            callers=",".join(f"{name}={digest(name)}" for name in ("merchant", "network", "operator")),
            issuer="",
            **{"cryptogram_key": KEY, **settings},  # type: ignore[arg-type]
        )
        self.service = build(config, self.env, [], connect=lambda name, _: InProcessLink(name, issuer))
        self.requestor = TokenServiceStub(self._channel("merchant"))
        self.vault = TokenVaultStub(self._channel("network"))
        self.operator = TokenOperatorStub(self._channel("operator"))

    def _channel(self, caller: str) -> Channel:
        link = InProcessLink("tsp", self.service.border)
        return Channel(link, Env.of("test"), credential=caller, timeout_s=5)

    async def encrypted(self, pan: str, expiry: str = "3011") -> str:
        key = await self.requestor.GetEncryptionKey(token_service_pb2.GetEncryptionKeyRequest())
        return encrypt(pan, expiry, key.key_id, key.public_key)

    async def request_token(self, pan: str = PAN, trid: str = ON_FILE, expiry: str = "3011") -> Any:
        encrypted = await self.encrypted(pan, expiry)
        request = token_service_pb2.RequestTokenRequest(token_requestor_id=trid, encrypted_card=encrypted)
        return await self.requestor.RequestToken(request)

    async def request_cryptogram(self, token: Any, trid: str = WITH_CRYPTOGRAM, **changes: Any) -> Any:
        fields = {
            "payment_token": token.payment_token,
            "token_expiry": token.token_expiry,
            "merchant": SHOP,
            "amount_minor": 1250,
            "currency": "840",
        }
        request = token_service_pb2.RequestCryptogramRequest(token_requestor_id=trid, **{**fields, **changes})
        return await self.requestor.RequestCryptogram(request)

    async def change(self, token: Any, state: int) -> str:
        request = pb.ChangeTokenStateRequest(payment_token=token.payment_token, state=state)
        return str((await self.operator.ChangeTokenState(request)).response_code)

    async def recall(self, asked: pb.DetokeniseRequest) -> Any:
        request = pb.RecallTransactionRequest(
            transaction=asked.transaction, payment_token=asked.token_data.payment_token
        )
        return await self.vault.RecallTransaction(request)


def use(token: Any, cryptogram: str = "", trid: str = "", **changes: Any) -> pb.DetokeniseRequest:
    """A use of a token that nothing is wrong with; each is a transaction of its own."""
    number = next(_numbers)
    fields = {
        "transaction": payment_pb2.TransactionKey(
            acquirer_id="99990000001", stan=f"{number:06}", transmission_time="1122235000", rrn=f"632623{number:06}"
        ),
        "token_data": payment_pb2.TokenData(
            payment_token=token.payment_token,
            token_expiry=token.token_expiry,
            token_requestor_id=trid,
            cryptogram=cryptogram,
        ),
        "merchant": SHOP,
        "amount_minor": 1250,
        "currency": "840",
        "pos_entry_mode": payment_pb2.POS_ENTRY_MODE_ECOMMERCE,
    }
    return pb.DetokeniseRequest(**{**fields, **changes})


def merchant(**changes: str) -> payment_pb2.MerchantData:
    other = payment_pb2.MerchantData()
    other.CopyFrom(SHOP)
    other.MergeFrom(payment_pb2.MerchantData(**changes))
    return other


async def keys_of(admin: Store, pattern: str = "*") -> list[bytes]:
    return sorted(await admin.command("KEYS", pattern))
