"""An order is paid once, however often it comes."""

from asyncio import gather
from collections.abc import AsyncIterator

import grpc.aio
import pytest
import pytest_asyncio
from patience import patient
from shop import Shop, changed, order
from tap import Tap

from cardnet.errors import InProgress, KeyReused
from cardnet.testing import LocalNetwork, TestCard
from cardnet.v1.merchant_pb2 import CheckoutRequest, CheckoutResponse
from cardnet.v1.merchant_pb2_grpc import MerchantStub

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(module_tap: Tap) -> AsyncIterator[LocalNetwork]:
    """One that can be reached over gRPC as well."""
    async with LocalNetwork(in_process=True, fronts=True, tap=module_tap, settings=patient()) as network:
        yield network


@pytest_asyncio.fixture(loop_scope="module")
async def over_grpc(network: LocalNetwork) -> AsyncIterator[MerchantStub]:
    """The merchant as a caller meets it who has nothing of ours but the protos."""
    async with network.grpc_channel("merchant") as channel:
        yield MerchantStub(channel)


async def order_of(network: LocalNetwork, balance: str = "100.00 USD") -> tuple[CheckoutRequest, TestCard]:
    card = await network.open_account(balance)
    on_file = await network.save_card(card)
    request = CheckoutRequest(idempotency_key=order(), card_on_file_id=on_file.id, amount_minor=1240, currency="840")
    return request, card


@pytest.mark.parametrize("balance", ["100.00 USD", "1.00 USD"], ids=["approved", "refused"])
async def test_the_same_key_and_body_get_the_same_bytes_again(network: LocalNetwork, tap: Tap, balance: str) -> None:
    request, card = await order_of(network, balance)
    merchant = network.stub(MerchantStub, "merchant")

    for _ in range(3):
        await merchant.Checkout(request)

    answers = [exchange.response for exchange in tap.calls("Checkout")]
    assert len(answers) == 3
    assert answers[0]
    assert set(answers) == {answers[0]}
    assert len(tap.calls("SubmitPayment")) == 1
    assert (await network.account(card)).holds == (1 if balance == "100.00 USD" else 0)


@pytest.mark.parametrize("fields", [{"amount_minor": 1241}, {"currency": "978"}], ids=["amount", "currency"])
async def test_another_body_under_the_same_key_is_refused_in_clear_words(
    network: LocalNetwork, over_grpc: MerchantStub, fields: dict[str, object]
) -> None:
    request, card = await order_of(network)
    assert (await over_grpc.Checkout(request, timeout=25)).approved

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await over_grpc.Checkout(changed(request, **fields), timeout=25)

    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert refused.value.details() == "this key came before with another body; a new payment needs a new key"
    assert (await network.account(card)).held_minor == 1240


async def test_another_card_under_the_same_key_is_refused(network: LocalNetwork, tap: Tap) -> None:
    (request, _), (other, _) = await order_of(network), await order_of(network)
    merchant = network.stub(MerchantStub, "merchant")
    await merchant.Checkout(request)

    with pytest.raises(KeyReused):
        await merchant.Checkout(changed(other, idempotency_key=request.idempotency_key))
    assert len(tap.calls("SubmitPayment")) == 1


async def test_thirty_two_repeats_at_once_take_one_hold(network: LocalNetwork, tap: Tap) -> None:
    request, card = await order_of(network)
    merchant = network.stub(MerchantStub, "merchant")

    said = await gather(*(merchant.Checkout(request) for _ in range(32)), return_exceptions=True)

    # Who comes while it is being answered is told so, and who asks then gets the one answer.
    answers = [answer for answer in said if isinstance(answer, CheckoutResponse)]
    assert answers
    assert {type(answer) for answer in said} <= {CheckoutResponse, InProgress}
    answers.append(await merchant.Checkout(request))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0].approved
    account = await network.account(card)
    assert (account.holds, account.held_minor) == (1, 1240)
    assert len(tap.calls("Authorise")) == 1


async def test_the_acquirer_answers_thirty_two_repeats_at_once_with_one_hold(network: LocalNetwork, tap: Tap) -> None:
    shop, card = Shop(network), await network.open_account()
    token, reference = await shop.token(card), order()

    said = await gather(*(shop.submit(token, payment_reference=reference) for _ in range(32)), return_exceptions=True)

    assert [answer for answer in said if not isinstance(answer, InProgress)]
    assert (await shop.submit(token, payment_reference=reference)).response_code == "00"
    assert (await network.account(card)).holds == 1
    assert len(tap.calls("RouteAuthorisation")) == 1
