"""A token service provider for tests: over the in-process wire, with a real store and an issuer of few words."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any, Protocol, TypeVar

from patience import STORE_TIMEOUT_S, ample

from cardnet.border import Border
from cardnet.card import luhn_digit
from cardnet.cde.v1 import issuer_pb2, issuer_pb2_grpc, pan_lifecycle_pb2
from cardnet.cde.v1 import token_vault_pb2 as pb
from cardnet.cde.v1.pan_lifecycle_pb2_grpc import PanLifecycleStub
from cardnet.cde.v1.token_operator_pb2_grpc import TokenOperatorStub
from cardnet.cde.v1.token_vault_pb2_grpc import TokenVaultStub
from cardnet.client import Channel
from cardnet.embedded_store import EmbeddedStore
from cardnet.encrypted_card import encrypt
from cardnet.env import Env, FrozenClock, Rng
from cardnet.errors import Unavailable
from cardnet.identity import Door
from cardnet.recorder import Recorder
from cardnet.store import Store
from cardnet.v1 import payment_pb2, token_service_pb2
from cardnet.v1.token_lifecycle_pb2 import ChangeTokenRequest, GetTokenRequest, TokenName
from cardnet.v1.token_lifecycle_pb2_grpc import TokenLifecycleStub
from cardnet.v1.token_pb2 import CAUSE_OTHER, TOKEN_STATE_ACTIVE, TOKEN_STATE_DELETED, TOKEN_STATE_SUSPENDED
from cardnet.v1.token_service_pb2_grpc import TokenServiceStub
from cardnet.wire import InProcessLink
from services.tsp.app import Config, build

PAN, DEBIT, LATE = "9999000000000012", "9999100000000010", "9999000000000111"
KEY = "000102030405060708090A0B0C0D0E0F"
KEK = "4b" * 32
ISSUER_TIMEOUT_S = 20.0
"""More than the issuer here takes on a machine that stands still, and less than its callers wait."""
ON_FILE, WITH_CRYPTOGRAM = "00000000001", "00000000002"
OTHERS, ONE_TIME, RECURRING = "00000000003", "00000000004", "00000000005"
UNKNOWN_TOKEN, UNKNOWN_REFERENCE = "9999400000000014", "0123456789abcdef" * 2
START = datetime(2026, 11, 22, 23, 50, tzinfo=UTC)
SHOP = payment_pb2.MerchantData(
    merchant_id="MERCHANT0000001",
    merchant_domain="shop.example",
    merchant_name="Shop",
    merchant_category_code="5732",
    merchant_country="840",
)
ALL = list(range(1, 8))
CALLERS = ("merchant", "other-merchant", "network", "issuer", "other-issuer", "operator", "discloser")
_numbers = count(1)
_cards = count(7_000_001)


class OfChannel(Protocol):
    """A class of generated stubs."""

    def __init__(self, channel: Any) -> None: ...


S = TypeVar("S", bound=OfChannel)


class TinyIssuer(issuer_pb2_grpc.IssuerServicer):
    """An issuer that verifies accounts: what it says of each stands in `answers`, and of any other that it has none."""

    def __init__(self) -> None:
        self.answers = {(PAN, "3011"): "00", (DEBIT, "3011"): "00", (LATE, "3011"): "54"}
        self.token_state = 0
        self.decision = token_service_pb2.TOKEN_DECISION_APPROVED
        self.passcode = "271828"
        self.to_a_wrong_one = issuer_pb2.CheckPasscodeResponse(
            response_code="55", outcome=token_service_pb2.PASSCODE_OUTCOME_WRONG, tries_left=2
        )
        self.references: list[str] = []

    async def VerifyAccount(self, request: Any, call: Any) -> issuer_pb2.VerifyAccountResponse:  # noqa: ARG002
        code = self.answers.get((request.pan, request.pan_expiry), "14")
        if code == "silent":
            raise Unavailable("SILENT", "no answer")
        if code != "00":
            declined = token_service_pb2.TOKEN_DECISION_DECLINED
            return issuer_pb2.VerifyAccountResponse(response_code=code, decision=declined)
        self.references.append(request.token_reference_id)
        return issuer_pb2.VerifyAccountResponse(
            response_code=code,
            token_state=self.token_state or TOKEN_STATE_ACTIVE,
            decision=self.decision,
            token_assurance_level="10",
            token_assurance_data="issuer account verification",
        )

    async def CheckPasscode(self, request: Any, call: Any) -> issuer_pb2.CheckPasscodeResponse:  # noqa: ARG002
        known = request.token_reference_id in self.references
        right = known and request.passcode == self.passcode
        if right:
            return issuer_pb2.CheckPasscodeResponse(
                response_code="00",
                outcome=token_service_pb2.PASSCODE_OUTCOME_RIGHT,
                token_assurance_level="11",
                token_assurance_data="issuer one-time passcode",
            )
        if not known:
            return issuer_pb2.CheckPasscodeResponse(response_code="25")
        return self.to_a_wrong_one


class Provider:
    """A token service provider that runs, and its callers."""

    def __init__(self, store: EmbeddedStore, **settings: object) -> None:
        self.clock = FrozenClock(START)
        self.env = Env(self.clock, Rng("tsp"), Rng("trace"))
        self.bank = TinyIssuer()
        issuer = Border(self.env, Door.BUSINESS, Recorder("issuer", []))
        issuer_pb2_grpc.add_IssuerServicer_to_server(self.bank, issuer)
        config = Config(
            redis_url=store.url("tsp"),
            store_timeout_s=STORE_TIMEOUT_S,
            issuer="",
            **{"issuer_timeout_s": ISSUER_TIMEOUT_S, "cryptogram_key": KEY, "kek": KEK, **settings},  # type: ignore[arg-type]
        )
        self.service = build(config, self.env, [], connect=lambda name, _: InProcessLink(name, issuer, "tsp"))
        self.requestor = TokenServiceStub(self._channel("merchant"))
        self.vault = TokenVaultStub(self._channel("network"))
        self.operator = TokenOperatorStub(self._channel("operator"))
        self.lifecycle = TokenLifecycleStub(self._channel("operator"))

    def _channel(self, caller: str) -> Channel:
        link = InProcessLink("tsp", self.service.border_for(caller), caller)
        return Channel(link, Env.of("test"), timeout_s=25)

    def stub(self, kind: type[S], caller: str) -> S:
        """A stub by which one of CALLERS asks."""
        return kind(self._channel(caller))

    @property
    def behind(self) -> Any:
        """The servicer of step 4, for tests that look behind the calls: it has the keys and the vault."""
        return self.service.border._methods["/cardnet.cde.v1.TokenVault/Detokenise"][0].__self__

    def new_pan(self, range_: str = "99990000") -> str:
        """A card that nobody has yet, and to which the issuer says yes. range_: its first eight digits."""
        digits = f"{range_}{next(_cards)}"
        pan = digits + luhn_digit(digits)
        self.bank.answers[pan, "3011"] = "00"
        return pan

    async def new_token(self, trid: str = ON_FILE, pan: str = "") -> Any:
        """A token for a card of its own, or for this one."""
        return await self.request_token(pan or self.new_pan(), trid, caller="other-merchant" if trid == OTHERS else "")

    async def encrypted(self, pan: str, expiry: str = "3011") -> str:
        key = await self.requestor.GetEncryptionKey(token_service_pb2.GetEncryptionKeyRequest())
        return encrypt(pan, expiry, key.key_id, key.public_key)

    async def request_token(
        self, pan: str = PAN, trid: str = ON_FILE, expiry: str = "3011", caller: str = "", **fields: Any
    ) -> Any:
        encrypted = await self.encrypted(pan, expiry)
        request = token_service_pb2.RequestTokenRequest(token_requestor_id=trid, encrypted_card=encrypted, **fields)
        return await self.stub(TokenServiceStub, caller or "merchant").RequestToken(request)

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
        """Have the operator bring a token into a state: "ACTIVE" resumes it."""
        changes = {
            TOKEN_STATE_SUSPENDED: self.lifecycle.SuspendToken,
            TOKEN_STATE_ACTIVE: self.lifecycle.ResumeToken,
            TOKEN_STATE_DELETED: self.lifecycle.UnlinkToken,
        }
        name = TokenName(payment_token=token.payment_token)
        return str((await changes[state](ChangeTokenRequest(token=name, cause=CAUSE_OTHER))).response_code)

    async def act(self, caller: str, what: str, token: Any, cause: int = CAUSE_OTHER) -> Any:
        """One of the calls on a token's life, by its reference. what: "Suspend", "Resume", "Activate" or "Unlink"."""
        name = TokenName(token_reference_id=token.token_reference_id)
        call = getattr(self.stub(TokenLifecycleStub, caller), f"{what}Token")
        return await call(ChangeTokenRequest(token=name, cause=cause))

    async def shown(self, token: Any) -> Any:
        """A token as the operator sees it."""
        name = TokenName(token_reference_id=token.token_reference_id)
        return (await self.lifecycle.GetToken(GetTokenRequest(token=name))).token

    async def replace_pan(self, pan: str, new_pan: str) -> Any:
        request = pan_lifecycle_pb2.ReplacePanRequest(pan=pan, new_pan=new_pan, new_pan_expiry="3212")
        return await self.stub(PanLifecycleStub, "issuer").ReplacePan(request)

    async def find(self, asked: pb.DetokeniseRequest, pan: str = "") -> Any:
        """A transaction by the card that it was made with, or else by its token."""
        token = "" if pan else asked.token_data.payment_token
        request = pb.FindTransactionRequest(transaction=asked.transaction, payment_token=token, pan=pan)
        return await self.vault.FindTransaction(request)

    async def recall(self, asked: pb.DetokeniseRequest) -> Any:
        request = pb.RecallTransactionRequest(
            transaction=asked.transaction, payment_token=asked.token_data.payment_token
        )
        return await self.vault.RecallTransaction(request)


@asynccontextmanager
async def started(store: EmbeddedStore, **settings: object) -> AsyncIterator[Provider]:
    """A provider that runs with these settings, in a store that was emptied."""
    behind = Store(store.admin_url, owner="test", timeout_s=STORE_TIMEOUT_S)
    await behind.command("FLUSHALL")
    await behind.close()
    provider = Provider(store, **settings)
    await provider.service.start()
    try:
        yield provider
    finally:
        async with ample():
            await provider.service.stop()


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
