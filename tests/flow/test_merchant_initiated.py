"""Payments that the shop begins itself, by an agreement with its customer: a subscription's next month."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from parties import Parties
from patience import patient
from shop import Shop, order
from tap import Tap

from cardnet.cardholder import CardOnFile
from cardnet.cde.v1.issuer_pb2 import AuthoriseRequest
from cardnet.cde.v1.token_vault_pb2 import Control, DetokeniseRequest
from cardnet.errors import InvalidField
from cardnet.identity import ISSUER, MERCHANT
from cardnet.money import Money
from cardnet.response_code import ResponseCode as Code
from cardnet.stage import RECURRING
from cardnet.steps import STEPS, WITHOUT_ISSUER
from cardnet.testing import LocalNetwork, Payment, TestCard
from cardnet.v1.merchant_pb2 import CheckoutRequest
from cardnet.v1.merchant_pb2_grpc import MerchantStub
from cardnet.v1.payment_pb2 import INITIATOR_MERCHANT, PosEntryMode
from cardnet.v1.token_lifecycle_pb2 import ChangeTokenRequest, TokenName
from cardnet.v1.token_lifecycle_pb2_grpc import TokenLifecycleStub
from cardnet.v1.token_pb2 import CAUSE_CARDHOLDER

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRICE = Money.parse("9.90 USD")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(module_tap: Tap) -> AsyncIterator[LocalNetwork]:
    """One whose shop sells subscriptions."""
    settings = patient({"merchant": {"token_requestor_id": RECURRING}})
    async with LocalNetwork(in_process=True, tap=module_tap, settings=settings) as network:
        yield network


async def subscribed(network: LocalNetwork) -> tuple[TestCard, CardOnFile, str]:
    """A new card on file, and the reference of the customer's own first payment with it."""
    card = await network.open_account()
    on_file = await network.save_card(card)
    first = await network.checkout(on_file, PRICE)
    assert first.approved
    return card, on_file, first.rrn


async def renewed(network: LocalNetwork, on_file: CardOnFile, original_rrn: str) -> Payment:
    """What comes of it when the shop takes the next month's price."""
    request = CheckoutRequest(
        idempotency_key=order(),
        card_on_file_id=on_file.id,
        amount_minor=PRICE.minor,
        currency=PRICE.currency.number,
        original_rrn=original_rrn,
    )
    return await network.payment(await network.stub(MerchantStub, "merchant").Checkout(request))


async def test_a_payment_that_goes_back_to_the_customers_own_is_approved_time_and_again(
    network: LocalNetwork, tap: Tap
) -> None:
    card, on_file, rrn = await subscribed(network)

    payments = [await renewed(network, on_file, rrn) for _ in range(3)]

    assert [(payment.response_code, payment.steps) for payment in payments] == [(Code.APPROVED, STEPS)] * 3
    assert (await network.account(card)).holds == 4
    asked = [request.token_data for request in tap.all(DetokeniseRequest)[1:]]
    assert {(data.initiator, data.original_rrn) for data in asked} == {(INITIATOR_MERCHANT, rrn)}
    assert len({data.cryptogram for data in asked} - {""}) == 3  # each has one of its own
    for authorisation in tap.all(AuthoriseRequest)[1:]:
        assert Control.CONTROL_INITIATOR in authorisation.controls_passed
        assert authorisation.pos_entry_mode == PosEntryMode.POS_ENTRY_MODE_CREDENTIAL_ON_FILE


async def test_it_goes_back_to_a_payment_with_this_very_token(network: LocalNetwork) -> None:
    _, on_file, rrn = await subscribed(network)
    card, others, theirs = await subscribed(network)

    for original in (theirs, "000000000000"):
        payment = await renewed(network, on_file, original)
        assert (payment.response_code, payment.steps) == (Code.NOT_PERMITTED_TO_CARD, WITHOUT_ISSUER)
    assert (await renewed(network, on_file, rrn)).approved
    assert (await renewed(network, others, theirs)).approved
    assert (await network.account(card)).holds == 2


async def test_it_does_not_go_back_to_another_of_the_shops(network: LocalNetwork) -> None:
    _, on_file, rrn = await subscribed(network)
    second = await renewed(network, on_file, rrn)

    assert (await renewed(network, on_file, second.rrn)).response_code is Code.NOT_PERMITTED_TO_CARD


async def test_a_payment_that_was_refused_is_nothing_to_go_back_to(network: LocalNetwork) -> None:
    token = await Parties(network).shop.new_token(RECURRING)
    shown = await Parties(network).shown(token)
    lifecycle = network.stub(TokenLifecycleStub, "tsp", ISSUER)
    change = ChangeTokenRequest(token=TokenName(token_reference_id=shown.token_reference_id), cause=CAUSE_CARDHOLDER)
    await lifecycle.SuspendToken(change)
    shop = Shop(network)
    refused = await shop.submit(token)
    await lifecycle.ResumeToken(change)
    token.initiator, token.original_rrn = INITIATOR_MERCHANT, refused.transaction.rrn

    answer = await shop.submit(token, pos_entry_mode=PosEntryMode.POS_ENTRY_MODE_CREDENTIAL_ON_FILE)

    assert (refused.response_code, answer.response_code) == (Code.RESTRICTED_CARD, Code.NOT_PERMITTED_TO_CARD)


@pytest.mark.parametrize(("event", "code"), [("Suspend", Code.RESTRICTED_CARD), ("Unlink", Code.TOKEN_NOT_IN_USE)])
async def test_a_customer_who_ends_the_agreement_pays_no_more(network: LocalNetwork, event: str, code: Code) -> None:
    card, on_file, rrn = await subscribed(network)
    name = TokenName(token_reference_id=on_file.token_reference_id)
    stop = getattr(network.stub(TokenLifecycleStub, "tsp", MERCHANT), f"{event}Token")
    assert (await stop(ChangeTokenRequest(token=name, cause=CAUSE_CARDHOLDER))).response_code == "00"

    assert (await renewed(network, on_file, rrn)).response_code is code

    assert (await network.account(card)).holds == 1


async def test_the_agreement_outlives_the_card(network: LocalNetwork) -> None:
    card, on_file, rrn = await subscribed(network)
    successor = await network.open_account()
    await Parties(network).replace(ISSUER, card, successor)

    payment = await renewed(network, on_file, rrn)

    assert (payment.response_code, payment.pan_last_four) == (Code.APPROVED, successor.last_four)
    assert ((await network.account(card)).holds, (await network.account(successor)).holds) == (1, 1)


async def test_a_shop_without_such_tokens_begins_nothing(network: LocalNetwork) -> None:
    async with LocalNetwork(in_process=True, settings=patient()) as ordinary:
        _, on_file, rrn = await subscribed(ordinary)

        payment = await renewed(ordinary, on_file, rrn)

    assert (payment.response_code, payment.steps) == (Code.NOT_PERMITTED_TO_CARD, WITHOUT_ISSUER)


async def test_a_reference_without_a_card_on_file_is_refused_by_its_field(network: LocalNetwork) -> None:
    token = await Shop(network).new_token(RECURRING)
    request = CheckoutRequest(
        idempotency_key=order(), token_data=token, amount_minor=100, currency="840", original_rrn="601509123456"
    )
    with pytest.raises(InvalidField) as refused:
        await network.stub(MerchantStub, "merchant").Checkout(request)
    assert refused.value.field == "original_rrn"
