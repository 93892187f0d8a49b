"""Cards from wallets, from the shop's token service provider to the nine steps: what the shop decrypts is what pays."""

from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio
from patience import patient
from shop import Shop, order
from tap import Tap

from cardnet.card import Expiry, PaymentToken
from cardnet.env import Clock
from cardnet.errors import InvalidField, KeyReused
from cardnet.money import Money
from cardnet.payment_request import Claims
from cardnet.response_code import ResponseCode as Code
from cardnet.steps import STEPS
from cardnet.testing import LocalNetwork
from cardnet.tokenized_card import TokenizedCard as Details
from cardnet.tokenized_card import encrypt
from cardnet.v1.acquirer_pb2 import SubmitPaymentRequest
from cardnet.v1.merchant_pb2 import CheckoutRequest, CheckoutResponse, TokenizedCard
from cardnet.v1.merchant_pb2_grpc import MerchantStub
from cardnet.v1.payment_pb2 import PosEntryMode, TokenData
from cardnet.v1.token_pb2 import TokenUsage
from services.merchant.payment_key import PaymentKeys

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = "http://localhost:8080"
ONCE, KEPT, AGREED = (
    TokenUsage.TOKEN_USAGE_ONE_TIME,
    TokenUsage.TOKEN_USAGE_CARD_ON_FILE,
    TokenUsage.TOKEN_USAGE_RECURRING,
)
REQUESTORS = {ONCE: "00000000004", KEPT: "00000000005", AGREED: "00000000005"}

_names = count(1)


class Wallet:
    """Gives the shop what a wallet would, made of tokens that the shop's own requestors got for a card."""

    def __init__(self, network: LocalNetwork, jwk: dict[str, str]) -> None:
        self._network = network
        self._shop = Shop(network)
        self._merchant = network.stub(MerchantStub, "merchant")
        self._jwk = jwk

    async def token(self, usage: int = ONCE, balance: str = "100.00 USD") -> TokenData:
        """A token for the card of a new account."""
        return await self._shop.new_token(REQUESTORS[usage], balance)

    async def details(self, token: TokenData, amount: str) -> Details:
        """Details bound to a payment request of this amount."""
        paying = await self._shop.with_cryptogram(token, amount)
        now, name = int(Clock().now().timestamp()), next(_names)
        return Details(
            token=PaymentToken(paying.payment_token),
            token_expiry=Expiry.parse(paying.token_expiry),
            cryptogram=paying.cryptogram,
            token_requestor_id=paying.token_requestor_id,
            eci="05",
            claims=Claims(f"request-{name}", PAGE, Money.parse(amount), now, now + 300, f"details-{name}"),
        )

    def order(self, details: Details, amount: str, usage: int = ONCE, **fields: str) -> CheckoutRequest:
        """The order that the shop's page sends on."""
        money = Money.parse(amount)
        card = TokenizedCard(
            encrypted_details=encrypt(details.members, self._jwk),
            usage=usage,
            payment_request_id=details.claims.payment_request_id,
            origin=PAGE,
        )
        return CheckoutRequest(
            idempotency_key=order(),
            amount_minor=money.minor,
            currency=money.currency.number,
            tokenized_card=card,
            **fields,
        )

    async def pay(self, token: TokenData, amount: str, usage: int = ONCE, **fields: str) -> CheckoutResponse:
        """Pay with a token."""
        return await self.send(self.order(await self.details(token, amount), amount, usage, **fields))

    async def again(self, card: str, amount: str, original_rrn: str = "") -> CheckoutResponse:
        """Pay by a card on file, without a wallet."""
        money = Money.parse(amount)
        return await self.send(
            CheckoutRequest(
                idempotency_key=order(),
                card_on_file_id=card,
                amount_minor=money.minor,
                currency=money.currency.number,
                original_rrn=original_rrn,
            )
        )

    async def send(self, request: CheckoutRequest) -> CheckoutResponse:
        """What the shop says to an order."""
        return await self._merchant.Checkout(request)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shop") / "payment-key"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(module_tap: Tap, key_file: Path) -> AsyncIterator[LocalNetwork]:
    settings = patient({"merchant": {"payment_key_file": str(key_file)}})
    async with LocalNetwork(in_process=True, tap=module_tap, settings=settings) as network:
        yield network


@pytest_asyncio.fixture(loop_scope="module")
async def wallet(network: LocalNetwork, key_file: Path) -> Wallet:
    """A wallet that knows the shop's public key."""
    return Wallet(network, (await PaymentKeys(str(key_file), "shop.example", Clock()).key()).jwk)


@pytest.mark.parametrize(
    ("balance", "amount"), [("100.00 USD", "12.40 USD"), ("10000 JPY", "1240 JPY"), ("100.000 KWD", "12.400 KWD")]
)
async def test_decrypted_details_take_the_nine_steps(
    network: LocalNetwork, wallet: Wallet, tap: Tap, balance: str, amount: str
) -> None:
    answer = await wallet.pay(await wallet.token(balance=balance), amount)

    payment = await network.payment(answer)
    assert payment.response_code is Code.APPROVED
    assert payment.steps == STEPS
    [submitted] = tap.all(SubmitPaymentRequest)
    assert submitted.pos_entry_mode == PosEntryMode.POS_ENTRY_MODE_ECOMMERCE


async def test_a_token_that_pays_once_does_not_pay_again_with_fresh_details(wallet: Wallet) -> None:
    token = await wallet.token()
    first = await wallet.details(token, "12.40 USD")
    second = await wallet.details(token, "12.40 USD")
    assert (await wallet.send(wallet.order(first, "12.40 USD"))).approved
    answer = await wallet.send(wallet.order(second, "12.40 USD"))
    assert (answer.approved, answer.response_code) == (False, Code.USAGE_EXHAUSTED)


async def test_details_pay_for_one_order(wallet: Wallet, tap: Tap) -> None:
    details = await wallet.details(await wallet.token(KEPT), "12.40 USD")
    request = wallet.order(details, "12.40 USD", KEPT)
    assert (await wallet.send(request)).approved
    submitted = len(tap.calls("SubmitPayment"))

    request.idempotency_key = order()
    with pytest.raises(KeyReused) as fault:
        await wallet.send(request)
    assert fault.value.reason == "DETAILS_REUSED"
    assert len(tap.calls("SubmitPayment")) == submitted


async def test_details_for_one_total_do_not_pay_another(wallet: Wallet) -> None:
    details = await wallet.details(await wallet.token(), "12.40 USD")
    with pytest.raises(InvalidField, match="total: must be what is to be paid"):
        await wallet.send(wallet.order(details, "12.41 USD"))
    # A wallet that lies about the total does not help: the cryptogram is for another.
    lying = replace(details, claims=details.claims._replace(total=Money.parse("12.41 USD")))
    answer = await wallet.send(wallet.order(lying, "12.41 USD"))
    assert (answer.approved, answer.response_code) == (False, Code.CRYPTOGRAM_FAILURE)


async def test_a_card_on_file_is_kept_and_paid_again_without_a_wallet(network: LocalNetwork, wallet: Wallet) -> None:
    first = await wallet.pay(await wallet.token(KEPT), "12.40 USD", KEPT, save_for_customer_id="alice")
    assert first.approved
    assert first.card_on_file_id

    for _ in range(2):
        payment = await network.payment(await wallet.again(first.card_on_file_id, "5.00 USD"))
        assert payment.response_code is Code.APPROVED
        assert payment.steps == STEPS


async def test_a_card_for_recurring_payments_is_accepted_only_for_its_agreement(
    network: LocalNetwork, wallet: Wallet
) -> None:
    first = await wallet.pay(await wallet.token(AGREED), "12.40 USD", AGREED, save_for_customer_id="alice")
    other = await wallet.pay(await wallet.token(AGREED), "12.40 USD", AGREED, save_for_customer_id="alice")
    assert first.approved
    assert other.approved

    for _ in range(2):
        renewed = await network.payment(await wallet.again(first.card_on_file_id, "12.40 USD", first.rrn))
        assert renewed.response_code is Code.APPROVED
        assert renewed.steps == STEPS
    for original in ("", other.rrn):
        with pytest.raises(InvalidField, match="only for its agreement"):
            await wallet.again(first.card_on_file_id, "12.40 USD", original)


async def test_a_card_whose_payment_is_refused_is_not_kept(wallet: Wallet) -> None:
    token = await wallet.token(KEPT, balance="1.00 USD")
    answer = await wallet.pay(token, "12.40 USD", KEPT, save_for_customer_id="alice")
    assert (answer.response_code, answer.card_on_file_id) == (Code.INSUFFICIENT_FUNDS, "")


async def test_a_token_of_another_usage_is_refused_before_it_is_sent(wallet: Wallet) -> None:
    token = await wallet.token(KEPT)
    with pytest.raises(InvalidField, match="trid"):
        await wallet.pay(token, "12.40 USD", ONCE)
