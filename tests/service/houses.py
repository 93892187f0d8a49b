"""Acquirer and merchant between their small neighbours, put together so that the test says when reversals go out."""

from typing import Any, Self

from neighbours import CRYPTOGRAM, TOKEN, Acquirer, Network, Tsp, Wall, env
from neighbours import border as border_of
from patience import STORE_TIMEOUT_S

from cardnet.border import Border
from cardnet.client import Channel
from cardnet.embedded_store import EmbeddedStore
from cardnet.journal import LIBRARY, Journal
from cardnet.store import Store
from cardnet.v1.acquirer_pb2 import ReversePaymentRequest, SubmitPaymentRequest
from cardnet.v1.acquirer_pb2_grpc import AcquirerStub, add_AcquirerServicer_to_server
from cardnet.v1.merchant_pb2 import CheckoutRequest, SaveCardRequest
from cardnet.v1.merchant_pb2_grpc import MerchantStub, add_MerchantServicer_to_server
from cardnet.v1.network_pb2_grpc import NetworkStub
from cardnet.v1.payment_pb2 import MerchantData, PosEntryMode, TokenData
from cardnet.v1.token_lifecycle_pb2_grpc import TokenLifecycleStub
from cardnet.v1.token_service_pb2_grpc import TokenServiceStub
from cardnet.wire import InProcessLink
from services.acquirer.servicer import AcquirerServicer
from services.merchant.domain import RequestorIds
from services.merchant.means import MeansOfPayment
from services.merchant.payment_key import PaymentKeys
from services.merchant.servicer import MerchantServicer
from services.merchant.store import RedisCardsOnFile, RedisUsedDetails
from services.merchant.token_requestor import TokenRequestor
from services.merchant.wallet_card import WalletCards

SHOP = MerchantData(
    merchant_id="MERCHANT0000001",
    merchant_domain="shop.example",
    merchant_name="Example Shop",
    merchant_category_code="5732",
    merchant_country="840",
)
TOKEN_DATA = TokenData(
    payment_token=TOKEN, token_expiry="2911", token_requestor_id="00000000001", cryptogram=CRYPTOGRAM
)

CALLER_S, NEIGHBOUR_S = 25.0, 10.0
"""How long somebody waits for a service, and a service for those behind it: nobody whom the test does not have wait."""

REQUESTOR_IDS = RequestorIds("00000000004", "00000000001", "00000000005")


class Process:
    """A service as one process would run it. Several may stand over the same store, as after a crash."""

    def __init__(self, server: EmbeddedStore, clock: Wall, name: str, caller: str) -> None:
        self.clock = clock
        self.store = Store(server.url(name), LIBRARY, owner=name, timeout_s=STORE_TIMEOUT_S)
        self.journal = Journal(self.store, name)
        self.border: Border = border_of(name)
        self.link = InProcessLink(name, self.border, caller)
        self.channel = Channel(self.link, env(), timeout_s=CALLER_S)
        self.reversals: Any = None
        self.links: list[InProcessLink] = []
        """Its ways to its neighbours."""

    async def ask(self, method: str, request: Any) -> bytes:
        """The answer as the bytes that went over the wire."""
        return await self.link.call(method, request.SerializeToString(), {}, CALLER_S)

    async def later(self, by_s: float = 3.0) -> None:
        """Let time pass, and what is due then go out."""
        self.clock.seconds += by_s
        await self.reversals.send_due()

    async def stop(self) -> None:
        await self.border.drain()
        await self.store.close()


class House:
    """What a test starts, to be stopped when it ends."""

    def __init__(self, server: EmbeddedStore) -> None:
        self.server = server
        self.clock: Wall = env().clock
        self._running: list[Process] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in self._running:
            await process.stop()

    def _process(self, name: str, caller: str) -> Process:
        process = Process(self.server, self.clock, name, caller)
        self._running.append(process)
        return process


class AcquirerHouse(House):
    """An acquirer and the network behind it."""

    def __init__(self, server: EmbeddedStore) -> None:
        super().__init__(server)
        self.network = Network()

    def start(self) -> Process:
        process = self._process("acquirer", "merchant")
        process.links = [InProcessLink("network", self.network.border, "acquirer")]
        network = NetworkStub(Channel(process.links[0], env(), timeout_s=NEIGHBOUR_S))
        servicer = AcquirerServicer("99990000001", network, process.journal, self.clock)
        add_AcquirerServicer_to_server(servicer, process.border)
        process.reversals = servicer.reversals
        process.calls = AcquirerStub(process.channel)
        return process


class MerchantHouse(House):
    """A shop, its acquirer and its token service provider."""

    def __init__(self, server: EmbeddedStore) -> None:
        super().__init__(server)
        self.acquirer, self.tsp = Acquirer(), Tsp()
        self.payment_keys = PaymentKeys("", SHOP.merchant_domain, self.clock)

    def start(self) -> Process:
        process = self._process("merchant", "cardholder")
        borders = {"acquirer": self.acquirer.border, "tsp": self.tsp.border}
        process.links = [InProcessLink(name, border, "merchant") for name, border in borders.items()]
        acquirer, tsp = (Channel(link, env(), timeout_s=NEIGHBOUR_S) for link in process.links)
        requestor = TokenRequestor(SHOP, REQUESTOR_IDS, TokenServiceStub(tsp), TokenLifecycleStub(tsp))
        cards, used = RedisCardsOnFile(process.store), RedisUsedDetails(process.store)
        wallets = WalletCards(REQUESTOR_IDS, self.payment_keys, used, self.clock)
        servicer = MerchantServicer(
            SHOP,
            requestor,
            MeansOfPayment(requestor, wallets, cards),
            AcquirerStub(acquirer),
            cards,
            process.journal,
            self.clock,
        )
        add_MerchantServicer_to_server(servicer, process.border)
        process.reversals = servicer.reversals
        process.calls = MerchantStub(process.channel)
        return process


def payment(reference: str = "order-1", **changes: Any) -> SubmitPaymentRequest:
    """A payment that the acquirer takes, but for what is changed."""
    request = SubmitPaymentRequest(
        payment_reference=reference,
        token_data=TOKEN_DATA,
        merchant=SHOP,
        amount_minor=1250,
        currency="978",
        pos_entry_mode=PosEntryMode.POS_ENTRY_MODE_CREDENTIAL_ON_FILE,
    )
    for name, value in changes.items():
        setattr(request.merchant if name.startswith("merchant_") else request, name, value)
    return request


def reversal(reference: str = "order-1", merchant_id: str = SHOP.merchant_id) -> ReversePaymentRequest:
    return ReversePaymentRequest(merchant_id=merchant_id, payment_reference=reference)


def card(customer_id: str = "alice") -> SaveCardRequest:
    return SaveCardRequest(customer_id=customer_id, encrypted_card="header.key.nonce.box.tag")


def order(key: str = "order-1", **fields: Any) -> CheckoutRequest:
    return CheckoutRequest(**{"idempotency_key": key, "amount_minor": 1250, "currency": "978", **fields})
