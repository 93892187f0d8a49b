"""Processes die in the midst of a payment: no approval that does not stand, no hold of which nobody was told."""

import asyncio

import pytest
import pytest_asyncio
from patience import patient
from shopper import at_the_paused_issuer, forty_seconds_pass, new_shopper, pending
from waiting import until

from cardnet.errors import Fault, InProgress, Unavailable
from cardnet.testing import LocalNetwork

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(tmp_path_factory):
    async with LocalNetwork(data_dir=tmp_path_factory.mktemp("faults"), settings=patient()) as network:
        yield network


@pytest_asyncio.fixture(loop_scope="module")
async def shopper(network):
    return await new_shopper(network)


async def test_an_issuer_that_dies_with_a_payment_in_its_hands_leaves_no_hold(network, shopper):
    issuer = network.processes["issuer"]
    async with at_the_paused_issuer(shopper, "issuer-dies") as payment:
        await issuer.kill()
        answer = await payment
        assert (answer.response_code, answer.approved) == ("91", False)
        await issuer.start()
    await shopper.stands(0)
    assert (await shopper.pay("issuer-dies")).SerializeToString() == answer.SerializeToString()
    await shopper.pays_again()


async def test_a_network_that_dies_with_a_payment_in_its_hands_leaves_no_hold(network, shopper):
    async with at_the_paused_issuer(shopper, "network-dies") as payment:
        await network.processes["network"].kill()
        assert isinstance(await payment, Unavailable)
        await network.processes["network"].start()
    await shopper.stands(0)
    assert isinstance(await shopper.pay("network-dies"), Unavailable)  # given back: never paid under this key
    await shopper.pays_again()


async def test_an_acquirer_that_dies_with_a_payment_in_its_hands_leaves_no_hold(network, shopper):
    async with at_the_paused_issuer(shopper, "acquirer-dies") as payment:
        await network.processes["acquirer"].kill()
        assert isinstance(await payment, Unavailable)

    async def held():
        account = await shopper.account()
        return not isinstance(account, Fault) and account.holds == 1

    await until(held, "the issuer holds what nobody was told of")
    await network.processes["acquirer"].start()
    await shopper.stands(0)
    assert isinstance(await shopper.pay("acquirer-dies"), Unavailable)
    await shopper.pays_again()


async def test_a_merchant_that_dies_with_a_payment_in_its_hands_leaves_no_hold(network, shopper):
    merchant = network.processes["merchant"]
    async with at_the_paused_issuer(shopper, "merchant-dies") as payment:
        await merchant.kill()
        assert isinstance(await payment, Unavailable)
    await shopper.stands(1)  # it was approved, and nobody was told
    await merchant.start()
    # Once the connection stands: a question that finds none is asked again by gRPC, and then the shop takes it up.
    await until(shopper.hears_the_shop, "the shop is reached")

    async def asked_again():
        answer = await shopper.pay("merchant-dies")
        return isinstance(answer, InProgress) and answer

    await until(asked_again, "the shop says that it does not know yet")
    await forty_seconds_pass(network)
    await shopper.stands(0)
    assert isinstance(await shopper.pay("merchant-dies"), Unavailable)
    await shopper.pays_again()


async def test_a_token_service_that_dies_with_a_payment_in_its_hands_gets_it_refused(network, shopper):
    # The shop's own question, for the cryptogram, comes first: a fault, and nothing was begun.
    tsp = network.processes["tsp"]
    tsp.pause()
    payment = shopper.begin("tsp-dies")

    async def begun():
        return await pending(network, "merchant")

    await until(begun, "the shop has begun the payment")
    await tsp.kill()
    assert isinstance(await payment, Unavailable)
    await tsp.start()
    await shopper.pays_again()
    again = await shopper.pay("tsp-dies")
    assert again.approved  # nothing had been sent: the key is as good as new
    await shopper.stands(2)


async def test_a_cardholder_who_goes_away_finds_the_payment_made_once(network, shopper):
    async with at_the_paused_issuer(shopper, "gone") as payment:
        payment.cancel()
        with pytest.raises(asyncio.CancelledError):
            await payment

    async def answered():
        answer = await shopper.pay("gone")
        return not isinstance(answer, InProgress) and answer

    assert (await until(answered, "the same key gets an answer")).approved
    await shopper.stands(1)


async def test_one_order_sent_many_times_at_once_is_paid_once(network, shopper):
    answers = await asyncio.gather(*(shopper.pay("eager") for _ in range(12)))
    told = {answer.SerializeToString() for answer in answers if not isinstance(answer, Fault)}
    assert len(told) == 1
    assert all(isinstance(answer, InProgress) for answer in answers if isinstance(answer, Fault))
    await shopper.stands(1)


async def test_an_answer_outlives_every_process(network, shopper):
    told = await shopper.pay("once")
    assert told.approved
    for name in ("issuer", "merchant"):
        await network.processes[name].kill()
        await network.processes[name].start()

    async def told_again():
        answer = await shopper.pay("once")
        return not isinstance(answer, Fault) and answer

    assert (await until(told_again, "the shop answers again")).SerializeToString() == told.SerializeToString()
    await shopper.stands(1)
