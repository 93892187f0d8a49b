"""An issuer that hangs, a store that dies or hangs: a clear fault or 91, nothing approved, and all well afterwards."""

import asyncio
from contextlib import suppress

import pytest
import pytest_asyncio
from patience import STORE_TIMEOUT_S, ample, patient
from shopper import LIMIT, PRICE, admitted, at_the_paused_issuer, forty_seconds_pass, new_shopper
from waiting import until

from cardnet.cde.v1.issuer_pb2 import AuthoriseRequest, ReverseRequest
from cardnet.cde.v1.issuer_pb2_grpc import IssuerStub
from cardnet.errors import Fault, InProgress, TimedOut, Unavailable
from cardnet.testing import LocalNetwork
from cardnet.v1.payment_pb2 import MerchantData, TransactionKey

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(tmp_path_factory):
    settings = patient({"network": {"issuer_timeout_s": "4"}})
    async with LocalNetwork(data_dir=tmp_path_factory.mktemp("hanging"), settings=settings) as network:
        yield network


@pytest_asyncio.fixture(loop_scope="module")
async def shopper(network):
    # What hung in the test before may still have to be found again.
    shopper = await until(lambda: shopper_if_all_answer(network), "every service answers")
    # What hung may bring about a 91 yet, so there is one hold to begin with.
    await shopper.pays_again()
    return shopper


async def shopper_if_all_answer(network):
    with suppress(Unavailable):
        return await new_shopper(network)


def authorisation(shopper, transaction):
    return AuthoriseRequest(
        transaction=transaction,
        pan=shopper.card.pan,
        pan_expiry=shopper.card.expiry,
        amount_minor=PRICE.minor,
        currency=PRICE.currency.number,
        merchant=MerchantData(
            merchant_id="MERCHANT0000001",
            merchant_domain="shop.example",
            merchant_name="Example Shop",
            merchant_category_code="5732",
            merchant_country="840",
        ),
        pos_entry_mode="POS_ENTRY_MODE_ECOMMERCE",
        on_behalf_of_validation="ON_BEHALF_OF_VALIDATION_PASSED",
        payment_token="9999400000000014",
        token_assurance_level="10",
        token_requestor_id="00000000001",
    )


def reversal(request):
    return ReverseRequest(
        transaction=request.transaction, pan=request.pan, amount_minor=request.amount_minor, currency=request.currency
    )


async def test_an_issuer_that_hangs_is_answered_for_and_takes_no_hold_when_it_wakes(network, shopper):
    before = await admitted(network)
    async with at_the_paused_issuer(shopper, "issuer-hangs") as payment:
        assert (await payment).response_code == "91"
        [name] = await admitted(network) - before
    await shopper.stands(1)

    # The original comes late, or once more: it finds that it was taken back.
    acquirer_id, stan, time, rrn = name.split(":")
    transaction = TransactionKey(acquirer_id=acquirer_id, stan=stan, transmission_time=time, rrn=rrn)
    issuer = network.stub(IssuerStub, "issuer", "network")
    assert (await issuer.Authorise(authorisation(shopper, transaction))).response_code == "68"
    await shopper.stands(1)


async def test_a_reversal_that_overtakes_its_original_leaves_a_tombstone(network, shopper):
    issuer = network.stub(IssuerStub, "issuer", "network")
    transaction = TransactionKey(
        acquirer_id="99990000009", stan="000001", transmission_time="0101000000", rrn="600100000001"
    )
    request = authorisation(shopper, transaction)
    assert (await issuer.Reverse(reversal(request))).response_code == "00"
    assert (await issuer.Authorise(request)).response_code == "68"
    assert (await issuer.Reverse(reversal(request))).response_code == "00"
    await shopper.stands(1)


async def test_an_authorisation_delivered_again_after_a_crash_gets_the_first_answer_and_no_second_hold(
    network, shopper
):
    transaction = TransactionKey(
        acquirer_id="99990000009", stan="000002", transmission_time="0101000000", rrn="600100000002"
    )
    request = authorisation(shopper, transaction)
    issuer = network.stub(IssuerStub, "issuer", "network")
    first = await issuer.Authorise(request)
    assert first.response_code == "00"
    await network.processes["issuer"].kill()
    await network.processes["issuer"].start()

    async def delivered_again():
        try:
            return await issuer.Authorise(request)
        except Fault:
            return None

    assert await until(delivered_again, "the issuer answers again") == first
    await shopper.stands(2)


async def test_a_store_that_is_away_means_a_fault_and_no_approval(network, shopper):
    network.store.kill()
    try:
        assert isinstance(await shopper.pay("no-store"), Unavailable)
    finally:
        network.store.restart()
    await shopper.stands(1)

    async def approved():
        answer = await shopper.pay("no-store")  # nothing was begun: the same key serves
        return not isinstance(answer, Fault) and answer.approved

    await until(approved, "the payment is approved")
    await shopper.stands(2)


async def test_a_store_that_dies_with_a_payment_on_its_way_leaves_no_hold(network, shopper):
    async with at_the_paused_issuer(shopper, "store-dies") as payment:
        network.store.kill()
    try:
        answer = await payment
    finally:
        network.store.restart()
    assert isinstance(answer, Unavailable)
    await forty_seconds_pass(network)
    await shopper.stands(1)

    async def asked_again():
        answer = await shopper.pay("store-dies")
        return not isinstance(answer, InProgress) and answer

    assert isinstance(await until(asked_again, "the shop has given the payment up"), Unavailable)
    await shopper.stands(1)


async def test_a_store_that_hangs_is_not_waited_for(network, shopper):
    network.store.pause()
    try:
        loop = asyncio.get_running_loop()
        began = loop.time()
        answer = await shopper.pay("store-hangs")
        elapsed_s = loop.time() - began
    finally:
        network.store.resume()
    assert isinstance(answer, Unavailable) and not isinstance(answer, TimedOut)
    assert elapsed_s >= STORE_TIMEOUT_S / 2  # it did wait for the store, and not for ever
    await forty_seconds_pass(network)
    await shopper.stands(1)


async def test_a_store_that_hangs_with_a_payment_on_its_way_leaves_no_hold(network, shopper):
    async with at_the_paused_issuer(shopper, "store-hangs-later") as payment:
        network.store.pause()
    try:
        answer = await payment
    finally:
        network.store.resume()  # and now it does what it was told meanwhile, the hold among it
    assert isinstance(answer, Unavailable)
    await forty_seconds_pass(network)
    await shopper.stands(1)
    assert (await network.account(shopper.card)).available_minor == LIMIT.minor - PRICE.minor


async def test_a_service_that_hangs_can_be_stopped_all_the_same(network):
    tsp = network.processes["tsp"]
    tsp.pause()
    try:
        async with ample():
            await tsp.stop()
    except TimeoutError:
        await tsp.kill()  # or else the network could not be stopped either
        raise
    await tsp.start()
