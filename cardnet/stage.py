"""A shop, its acquirer, an issuer's clerk and the operator, all played by one: what brings situations about on purpose.

Works on any running network, in a test's process or elsewhere: all that it needs are channels.
"""

from collections.abc import Callable
from datetime import timedelta

from cardnet.card import luhn_digit
from cardnet.cde.v1.issuer_pb2 import OpenAccountRequest, ReadPasscodeRequest, Verification
from cardnet.cde.v1.issuer_pb2_grpc import IssuerOperatorStub
from cardnet.cde.v1.pan_lifecycle_pb2 import ReplacePanRequest
from cardnet.cde.v1.pan_lifecycle_pb2_grpc import PanLifecycleStub
from cardnet.cde.v1.token_operator_pb2 import RegisterRequestorRequest, Requestor
from cardnet.cde.v1.token_operator_pb2_grpc import TokenOperatorStub
from cardnet.client import Channel
from cardnet.encrypted_card import encrypt
from cardnet.env import Env
from cardnet.errors import Unavailable
from cardnet.identity import CARDHOLDER, ISSUER, MERCHANT, OPERATOR
from cardnet.money import Money
from cardnet.response_code import ResponseCode
from cardnet.test_cards import TestCard
from cardnet.v1.merchant_pb2 import CheckoutRequest, CheckoutResponse
from cardnet.v1.merchant_pb2_grpc import MerchantStub
from cardnet.v1.payment_pb2 import MerchantData, TokenData
from cardnet.v1.token_lifecycle_pb2 import ChangeTokenRequest, ChangeTokenResponse, TokenName
from cardnet.v1.token_lifecycle_pb2_grpc import TokenLifecycleStub
from cardnet.v1.token_pb2 import CAUSE_OTHER
from cardnet.v1.token_service_pb2 import (
    ConfirmCardholderRequest,
    ConfirmCardholderResponse,
    GetEncryptionKeyRequest,
    RequestCryptogramRequest,
    RequestTokenRequest,
    RequestTokenResponse,
)
from cardnet.v1.token_service_pb2_grpc import TokenServiceStub

CARD_ON_FILE, WITH_CRYPTOGRAM, OTHER_SHOP, ONE_TIME, RECURRING = (f"{number:011}" for number in range(1, 6))
"""The Token Requestors that every network has (services/tsp/requestors.py)."""

SHOP = MerchantData(
    merchant_id="MERCHANT0000001",
    merchant_domain="shop.example",
    merchant_name="Example Shop",
    merchant_category_code="5732",
    merchant_country="840",
)
"""The shop of every network, as its acquirer knows it."""

PRICE = Money.parse("12.40 USD")

OTHER_MERCHANT = "other-merchant"


class Stage:
    """One network, and everybody who acts on it."""

    def __init__(
        self,
        channel: Callable[[str, str], Channel],
        env: Env,
        advance: Callable[[timedelta], None] | None = None,
    ) -> None:
        """channel: to a service, asking as somebody. advance: moves the network's clock, where it can be moved."""
        self._channel = channel
        self._env = env
        self._advance = advance

    # The issuer and its cardholders.

    async def new_card(self, balance: str = "1000.00 USD", *, expiry: str = "3011", verification: int = 0) -> TestCard:
        """Open an account. verification: what the issuer does before a token is issued (Verification)."""
        digits = f"99990000{self._env.rng.digits(7)}"
        card = TestCard(
            name="account",
            pan=digits + luhn_digit(digits),
            expiry=expiry,
            balance=Money.parse(balance),
            outcome=ResponseCode.APPROVED,
            note="opened on purpose",
        )
        opened = await IssuerOperatorStub(self._channel("issuer", OPERATOR)).OpenAccount(
            OpenAccountRequest(
                pan=card.pan,
                pan_expiry=card.expiry,
                balance_minor=card.balance.minor,
                currency=card.balance.currency.number,
                status="ACCOUNT_STATUS_OPEN",
                verification=Verification.Name(verification),
            )
        )
        if opened.response_code != "00":  # an account of that number was kept: draw another
            return await self.new_card(balance, expiry=expiry, verification=verification)
        return card

    async def passcode(self, token: RequestTokenResponse) -> str:
        """What the cardholder finds on the telephone."""
        operator = IssuerOperatorStub(self._channel("issuer", OPERATOR))
        read = await operator.ReadPasscode(ReadPasscodeRequest(token_reference_id=token.token_reference_id))
        return str(read.passcode)

    async def replace(self, card: TestCard, successor: TestCard) -> None:
        """The issuer sends a new card, and tells the token service provider."""
        await PanLifecycleStub(self._channel("tsp", ISSUER)).ReplacePan(
            ReplacePanRequest(pan=card.pan, new_pan=successor.pan, new_pan_expiry=successor.expiry)
        )

    # The shop.

    async def token(self, card: TestCard, requestor: str = CARD_ON_FILE, as_: str = MERCHANT) -> RequestTokenResponse:
        """What the token service provider answers to a Token Request for a card."""
        tsp = TokenServiceStub(self._channel("tsp", as_))
        key = await tsp.GetEncryptionKey(GetEncryptionKeyRequest())
        encrypted = encrypt(card.pan, card.expiry, key.key_id, key.public_key)
        request = RequestTokenRequest(token_requestor_id=requestor, encrypted_card=encrypted)
        issued: RequestTokenResponse = await tsp.RequestToken(request)
        return issued

    async def confirm(self, token: RequestTokenResponse, passcode: str) -> ConfirmCardholderResponse:
        """Hand in the passcode that a cardholder typed."""
        request = ConfirmCardholderRequest(
            token_requestor_id=CARD_ON_FILE, token_reference_id=token.token_reference_id, passcode=passcode
        )
        answer: ConfirmCardholderResponse = await TokenServiceStub(self._channel("tsp", MERCHANT)).ConfirmCardholder(
            request
        )
        return answer

    async def cryptogram(self, token: RequestTokenResponse, requestor: str, amount: Money = PRICE) -> str:
        """A cryptogram for a purchase at the shop."""
        made = await TokenServiceStub(self._channel("tsp", MERCHANT)).RequestCryptogram(
            RequestCryptogramRequest(
                token_requestor_id=requestor,
                token_reference_id=token.token_reference_id,
                merchant=SHOP,
                amount_minor=amount.minor,
                currency=amount.currency.number,
            )
        )
        return str(made.cryptogram)

    async def pay(
        self, token: RequestTokenResponse, amount: Money = PRICE, *, requestor: str = "", cryptogram: str = ""
    ) -> CheckoutResponse:
        """Pay at the shop, whose site keeps its token data itself: all nine steps."""
        data = TokenData(
            payment_token=token.payment_token,
            token_expiry=token.token_expiry,
            token_requestor_id=requestor,
            cryptogram=cryptogram,
        )
        request = CheckoutRequest(
            idempotency_key=f"pay{self._env.rng.hex(8)}",
            token_data=data,
            amount_minor=amount.minor,
            currency=amount.currency.number,
        )
        answer: CheckoutResponse = await MerchantStub(self._channel("merchant", CARDHOLDER)).Checkout(request)
        return answer

    # The operator.

    async def suspend(self, token: RequestTokenResponse, as_: str = ISSUER) -> ChangeTokenResponse:
        """Suspend a token."""
        answer: ChangeTokenResponse = await self._lifecycle(as_).SuspendToken(_change(token))
        return answer

    async def unlink(self, token: RequestTokenResponse, as_: str = ISSUER) -> ChangeTokenResponse:
        """Delete a token."""
        answer: ChangeTokenResponse = await self._lifecycle(as_).UnlinkToken(_change(token))
        return answer

    async def requestor(self, requestor: Requestor) -> str:
        """The identifier of a requestor, registered if it was not yet."""
        operator = TokenOperatorStub(self._channel("tsp", OPERATOR))
        registered = await operator.RegisterRequestor(RegisterRequestorRequest(requestor=requestor))
        return str(registered.requestor.token_requestor_id)

    def advance(self, by: timedelta) -> None:
        """Move the network's clock on. Unavailable where it cannot be moved."""
        if self._advance is None:
            raise Unavailable("CLOCK_FIXED", "the network's clock cannot be moved; start one with --clock simulated")
        self._advance(by)

    def _lifecycle(self, as_: str) -> TokenLifecycleStub:
        return TokenLifecycleStub(self._channel("tsp", as_))


def _change(token: RequestTokenResponse) -> ChangeTokenRequest:
    return ChangeTokenRequest(token=TokenName(token_reference_id=token.token_reference_id), cause=CAUSE_OTHER)
