"""Steps 7 to 9: the token in the PAN's place again, and the answer on its way to the customer (A71 to A91)."""

import pytest
from shop import PRICE, Shop, changed
from tap import Tap

from cardnet.cde.v1.issuer_pb2 import AuthoriseResponse
from cardnet.cde.v1.token_vault_pb2 import DetokeniseResponse
from cardnet.response_code import ResponseCode as Code
from cardnet.testing import LocalNetwork
from cardnet.traces.trace import Change
from cardnet.v1.acquirer_pb2 import SubmitPaymentResponse
from cardnet.v1.merchant_pb2 import CheckoutResponse
from cardnet.v1.network_pb2 import RouteAuthorisationRequest, RouteAuthorisationResponse
from cardnet.v1.payment_pb2 import TransactionKey

pytestmark = pytest.mark.asyncio(loop_scope="module")


# Step 7.


async def test_the_token_takes_the_pans_place_again(network: LocalNetwork, tap: Tap) -> None:
    shop, card = Shop(network), await network.open_account()
    token = await shop.token(card)

    payment = await shop.checkout(token)

    assert tap.only(AuthoriseResponse).pan == card.pan
    assert Change(
        "payment_token", 2, f"••••{card.last_four}", f"••••{token.payment_token[-4:]}"
    ) in payment.trace.changes(7)
    assert card.pan.encode() not in tap.at_the_edge()


async def test_the_same_token_goes_back_to_the_acquirer(network: LocalNetwork, tap: Tap) -> None:
    shop = Shop(network)
    tokens = [await shop.new_token() for _ in range(3)]

    for token in tokens:
        await shop.checkout(token)

    sent = [request.token_data.payment_token for request in tap.all(RouteAuthorisationRequest)]
    came_back = [answer.payment_token for answer in tap.all(RouteAuthorisationResponse)]
    assert came_back == sent == [token.payment_token for token in tokens]


async def test_the_answer_carries_the_token_assurance_level(network: LocalNetwork, tap: Tap) -> None:
    payment = await Shop(network).checkout(await Shop(network).new_token())

    assert tap.only(RouteAuthorisationResponse).token_assurance_level == "10"
    assert payment.trace.steps[6].fields["token_assurance_level"] == "10"


async def test_the_answer_carries_the_last_four_digits_of_the_pan(network: LocalNetwork, tap: Tap) -> None:
    shop, card = Shop(network), await network.open_account()

    payment = await shop.checkout(await shop.token(card))

    assert tap.only(RouteAuthorisationResponse).pan_last_four == card.pan[-4:] == payment.pan_last_four


@pytest.mark.parametrize(("name", "product"), [("approved", "SIMC1"), ("approved-debit", "SIMD1")])
async def test_the_answer_carries_the_product_and_the_par_of_the_card(
    network: LocalNetwork, tap: Tap, name: str, product: str
) -> None:
    on_file = await network.save_card(name)

    await network.checkout(on_file, PRICE)

    answer = tap.only(RouteAuthorisationResponse)
    assert answer.pan_product_id == product
    assert answer.par == on_file.par
    assert len(on_file.par) == 29


@pytest.mark.parametrize(("balance", "code"), [("50.00 USD", Code.APPROVED), ("1.00 USD", Code.INSUFFICIENT_FUNDS)])
async def test_the_answer_carries_the_other_standard_data(
    network: LocalNetwork, tap: Tap, balance: str, code: Code
) -> None:
    shop = Shop(network)

    await shop.checkout(await shop.new_token(balance=balance))

    asked, answer = tap.only(RouteAuthorisationRequest), tap.only(RouteAuthorisationResponse)
    assert answer.transaction == asked.transaction != TransactionKey()
    assert (answer.amount_minor, answer.currency) == (asked.amount_minor, asked.currency) == (1240, "840")
    assert answer.response_code == tap.only(AuthoriseResponse).response_code == code
    assert answer.auth_code == tap.only(AuthoriseResponse).auth_code
    assert bool(answer.auth_code) is code.approved


async def test_of_a_card_that_was_not_found_nothing_is_told(network: LocalNetwork, tap: Tap) -> None:
    shop = Shop(network)
    token = changed(await shop.new_token(), token_expiry="2902")

    await shop.checkout(token)

    assert tap.only(DetokeniseResponse).pan == ""
    answer = tap.only(RouteAuthorisationResponse)
    assert answer.payment_token == token.payment_token
    told = (answer.pan_last_four, answer.pan_product_id, answer.par, answer.token_assurance_level, answer.auth_code)
    assert not any(told)


# Step 8.


@pytest.mark.parametrize("balance", ["50.00 USD", "1.00 USD"], ids=["approved", "refused"])
async def test_the_acquirer_passes_the_answer_on(network: LocalNetwork, tap: Tap, balance: str) -> None:
    shop = Shop(network)
    token = await shop.new_token(balance=balance)

    await shop.checkout(token)

    came, went = tap.only(RouteAuthorisationResponse), tap.only(SubmitPaymentResponse)
    for field in went.DESCRIPTOR.fields:
        assert getattr(went, field.name) == getattr(came, field.name), field.name
    assert went.payment_token == token.payment_token


# Step 9.


@pytest.mark.parametrize(
    ("balance", "status", "notice"),
    [
        ("50.00 USD", "OPEN", "Thank you. The payment was approved."),
        ("1.00 USD", "OPEN", "The payment was declined: not enough funds on this card."),
        ("50.00 USD", "BLOCKED", "The payment was declined: the card cannot be used now. Please ask your bank."),
        ("50.00 USD", "STOLEN", "The payment was declined. Please use another card."),
    ],
)
async def test_the_customer_is_told_in_words_that_fit_the_answer(
    network: LocalNetwork, tap: Tap, balance: str, status: str, notice: str
) -> None:
    card = await network.open_account(balance, status=status)
    on_file = await network.save_card(card)

    payment = await network.checkout(on_file, PRICE)

    told = tap.only(CheckoutResponse)
    assert told.notice == payment.notice == notice
    assert told.approved is payment.approved is notice.startswith("Thank you")
    assert told.response_code == tap.only(SubmitPaymentResponse).response_code
    # A receipt has the reference, and the card's last digits.
    assert told.rrn == tap.only(SubmitPaymentResponse).transaction.rrn
    assert told.pan_last_four == card.last_four
    assert payment.trace.steps[-1].number == 9
    assert payment.trace.steps[-1].fields["notice"] == notice
