"""The shop's own systems, where a test speaks for them: it asks for tokens and cryptograms and pays as it likes."""

from itertools import count
from typing import TypeVar

from google.protobuf.message import Message

from cardnet import stage
from cardnet.cde.v1.issuer_pb2 import VERIFICATION_PASSCODE
from cardnet.env import Env
from cardnet.identity import OPERATOR
from cardnet.money import Money
from cardnet.stage import Stage
from cardnet.testing import LocalNetwork, Payment, TestCard
from cardnet.v1.acquirer_pb2 import SubmitPaymentRequest, SubmitPaymentResponse
from cardnet.v1.acquirer_pb2_grpc import AcquirerStub
from cardnet.v1.merchant_pb2 import CheckoutRequest
from cardnet.v1.merchant_pb2_grpc import MerchantStub
from cardnet.v1.payment_pb2 import MerchantData, PosEntryMode, TokenData
from cardnet.v1.token_lifecycle_pb2 import ChangeTokenRequest, TokenName
from cardnet.v1.token_lifecycle_pb2_grpc import TokenLifecycleStub
from cardnet.v1.token_pb2 import CAUSE_OTHER
from cardnet.v1.token_service_pb2 import RequestCryptogramRequest, RequestTokenRequest
from cardnet.v1.token_service_pb2_grpc import TokenServiceStub

M = TypeVar("M", bound=Message)

ON_FILE = stage.CARD_ON_FILE
"""The shop as a Token Requestor: credential on file and e-commerce, a cryptogram where it likes."""
WITH_CRYPTOGRAM = stage.WITH_CRYPTOGRAM
"""The shop once more: e-commerce alone, and never without a cryptogram."""

SHOP = stage.SHOP
BRANCH = MerchantData(
    merchant_id="MERCHANT0000005",
    merchant_domain="shop.example",
    merchant_name="Example Shop Japan",
    merchant_category_code="5411",
    merchant_country="392",
)
"""Another merchant of the same owner, which takes yen alone: outside the domain of every token of the shop."""

PRICE = "12.40 USD"

_orders = count(1)


class Shop:
    """One shop at one network."""

    def __init__(self, network: LocalNetwork, *, identity: str = "merchant") -> None:
        self._network = network
        self._tsp = network.stub(TokenServiceStub, "tsp", identity)
        self._acquirer = network.stub(AcquirerStub, "acquirer", identity)
        self._merchant = network.stub(MerchantStub, "merchant")

    async def token(self, card: TestCard, requestor: str = ON_FILE) -> TokenData:
        """A token for a card, as the shop keeps it."""
        encrypted = await self._network.cardholder().encrypted(card.pan, card.expiry)
        request = RequestTokenRequest(token_requestor_id=requestor, encrypted_card=encrypted)
        issued = await self._tsp.RequestToken(request)
        assert issued.response_code == "00"
        return TokenData(
            payment_token=issued.payment_token, token_expiry=issued.token_expiry, token_requestor_id=requestor
        )

    async def new_token(self, requestor: str = ON_FILE, balance: str = "100.00 USD") -> TokenData:
        """A token for the card of a new account."""
        return await self.token(await self._network.open_account(balance), requestor)

    async def token_in(self, state: str) -> TokenData:
        """A new token in a state. One becomes inactive by its issuer alone, which waits for a passcode."""
        if state == "INACTIVE":
            acting = Stage(self._network.channel, Env.of("test"))
            return await self.token(await acting.new_card(verification=VERIFICATION_PASSCODE))
        token = await self.new_token()
        await self.put(token, state)
        return token

    async def with_cryptogram(self, token: TokenData, amount: str = PRICE) -> TokenData:
        """The token with a fresh cryptogram for a purchase of this amount."""
        money = Money.parse(amount)
        request = RequestCryptogramRequest(
            token_requestor_id=token.token_requestor_id,
            payment_token=token.payment_token,
            token_expiry=token.token_expiry,
            merchant=SHOP,
            amount_minor=money.minor,
            currency=money.currency.number,
        )
        made = await self._tsp.RequestCryptogram(request)
        assert made.response_code == "00"
        return changed(token, cryptogram=made.cryptogram)

    async def checkout(self, token: TokenData, amount: str = PRICE) -> Payment:
        """Pay at the shop whose site keeps its token data itself: step 1 is this very message."""
        money = Money.parse(amount)
        request = CheckoutRequest(
            idempotency_key=order(),
            token_data=token,
            amount_minor=money.minor,
            currency=money.currency.number,
        )
        return await self._network.payment(await self._merchant.Checkout(request))

    async def submit(self, token: TokenData, amount: str = PRICE, **fields: object) -> SubmitPaymentResponse:
        """Send the acquirer a payment, but for what the shop's own platform would say in these fields."""
        money = Money.parse(amount)
        payment = {
            "payment_reference": order(),
            "merchant": SHOP,
            "amount_minor": money.minor,
            "currency": money.currency.number,
            "pos_entry_mode": PosEntryMode.POS_ENTRY_MODE_ECOMMERCE,
        }
        return await self._acquirer.SubmitPayment(SubmitPaymentRequest(token_data=token, **{**payment, **fields}))

    async def put(self, token: TokenData, state: str) -> None:
        """Have the operator put an active token into a state, such as "SUSPENDED", or a suspended one back."""
        operator = self._network.stub(TokenLifecycleStub, "tsp", OPERATOR)
        steps = {"SUSPENDED": operator.SuspendToken, "ACTIVE": operator.ResumeToken, "DELETED": operator.UnlinkToken}
        request = ChangeTokenRequest(token=TokenName(payment_token=token.payment_token), cause=CAUSE_OTHER)
        assert (await steps[state](request)).response_code == "00"


def order() -> str:
    """A key or reference that no test used before."""
    return f"order-{next(_orders)}"


def changed(message: M, **fields: object) -> M:
    """A message with other values in some fields."""
    other = type(message)()
    other.CopyFrom(message)
    for name, value in fields.items():
        setattr(other, name, value)
    return other
