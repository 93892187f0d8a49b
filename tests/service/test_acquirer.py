"""The acquirer as its neighbours meet it: in-process wire, real store, and a network that really holds."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from houses import SHOP, TOKEN_DATA, AcquirerHouse, payment
from neighbours import OTHER_TOKEN, PAR, TOKEN, emptied, hang

from cardnet.call import Call
from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import InProgress, InvalidField, KeyReused, Overloaded, TimedOut, Unavailable
from cardnet.journal import ABANDONED_AFTER_S
from cardnet.v1.acquirer_pb2 import SubmitPaymentRequest, SubmitPaymentResponse
from cardnet.v1.network_pb2 import RouteAuthorisationResponse
from cardnet.v1.payment_pb2 import Initiator, PosEntryMode

ORIGINAL = "632609000001"
SUBMIT = "/cardnet.v1.Acquirer/SubmitPayment"


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedStore]:
    with EmbeddedStore.start(None, ("acquirer",)) as server:
        yield server


@pytest.fixture
async def house(server: EmbeddedStore) -> AsyncIterator[AcquirerHouse]:
    await emptied(server)
    async with AcquirerHouse(server) as house:
        yield house


async def test_a_payment_is_numbered_passed_on_and_its_answer_handed_back(house) -> None:
    answer = await house.start().calls.SubmitPayment(payment())

    [asked] = house.network.asked
    assert asked.token_data == TOKEN_DATA
    assert asked.merchant == SHOP
    assert (asked.amount_minor, asked.currency, asked.pos_entry_mode) == (1250, "978", 10)
    name = asked.transaction
    assert (name.acquirer_id, name.stan, name.transmission_time) == ("99990000001", "000001", "1122093000")
    assert name.rrn == "632609000001"
    assert answer == SubmitPaymentResponse(
        payment_token=TOKEN,
        response_code="00",
        auth_code="A1B2C3",
        transaction=name,
        token_assurance_level="11",
        pan_last_four="0012",
        pan_product_id="SIMC1",
        par=PAR,
    )


def begun(initiator: Initiator, original_rrn: str, **changes: Any) -> SubmitPaymentRequest:
    """A payment that says who began it, and to which one it goes back."""
    request = payment(**changes)
    request.token_data.initiator, request.token_data.original_rrn = initiator, original_rrn
    return request


async def test_a_payment_that_the_merchant_begins_is_passed_on_with_all_that_its_token_data_say(house) -> None:
    request = begun(Initiator.INITIATOR_MERCHANT, ORIGINAL)
    answer = await house.start().calls.SubmitPayment(request)
    assert answer.response_code == "00"
    assert house.network.asked[0].token_data == request.token_data


@pytest.mark.parametrize(
    ("initiator", "original_rrn"),
    [
        (Initiator.INITIATOR_MERCHANT, ""),
        (Initiator.INITIATOR_CARDHOLDER, ORIGINAL),
        (Initiator.INITIATOR_UNSPECIFIED, ORIGINAL),
    ],
)
async def test_an_original_payment_is_named_by_the_merchant_who_begins_and_by_nobody_else(
    house, initiator, original_rrn
) -> None:
    acquirer = house.start()
    with pytest.raises(InvalidField) as violation:
        await acquirer.calls.SubmitPayment(begun(initiator, original_rrn))
    assert violation.value.field == "token_data.original_rrn"
    assert house.network.asked == []
    # Nothing was kept of it: the reference is as good as new.
    assert (await acquirer.calls.SubmitPayment(payment())).transaction.stan == "000001"


async def test_a_repeat_gets_the_same_bytes_and_is_not_sent_again(house) -> None:
    first = await house.start().ask(SUBMIT, payment())
    assert await house.start().ask(SUBMIT, payment()) == first
    assert len(house.network.asked) == 1


async def test_32_repeats_at_once_are_sent_once(house) -> None:
    acquirer = house.start()
    outcomes = await asyncio.gather(*(acquirer.ask(SUBMIT, payment()) for _ in range(32)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} <= {bytes, InProgress}
    assert len({outcome for outcome in outcomes if isinstance(outcome, bytes)}) == 1
    assert len(house.network.asked) == 1


async def test_another_body_under_the_same_reference_is_refused(house) -> None:
    acquirer = house.start()
    await acquirer.calls.SubmitPayment(payment())
    with pytest.raises(KeyReused):
        await acquirer.calls.SubmitPayment(payment(amount_minor=1))
    assert len(house.network.asked) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"merchant_id": "MERCHANT9999999"}, "03"),
        ({"merchant_id": "MERCHANT0000002", "merchant_category_code": "5942", "merchant_country": "826"}, "03"),
        ({"merchant_id": "MERCHANT0000003"}, "03"),
        ({"merchant_category_code": "5411"}, "03"),
        ({"merchant_id": "MERCHANT0000004", "merchant_category_code": "7995"}, "57"),
        ({"pos_entry_mode": PosEntryMode.POS_ENTRY_MODE_MANUAL}, "12"),
        ({"merchant_id": "MERCHANT0000005", "merchant_category_code": "5411", "merchant_country": "392"}, "57"),
    ],
)
async def test_what_its_own_checks_refuse_never_reaches_the_network(house, changes, code) -> None:
    acquirer = house.start()
    answer = await acquirer.ask(SUBMIT, payment(**changes))
    expected = SubmitPaymentResponse(payment_token=TOKEN, response_code=code)
    assert SubmitPaymentResponse.FromString(answer) == expected
    assert await acquirer.ask(SUBMIT, payment(**changes)) == answer
    assert house.network.asked == []


async def test_a_silent_network_is_sent_the_reversal_until_it_acknowledges_and_not_once_more(house) -> None:
    acquirer = house.start()
    house.network.then = hang
    house.network.reversal_answers = [Unavailable("AWAY", "away"), "96", Overloaded("BUSY", "busy")]
    with pytest.raises(TimedOut):
        await acquirer.calls.SubmitPayment(payment())
    assert sum(house.network.holds.values()) == 1250

    for _ in range(6):
        await acquirer.later()
    assert house.network.given_back == [house.network.asked[0].transaction.SerializeToString()] * 4
    assert house.network.holds == {}
    again = await acquirer.calls.SubmitPayment(payment())
    assert again == SubmitPaymentResponse(payment_token=TOKEN, response_code="68")


@pytest.mark.parametrize("field", ["payment_token", "amount_minor", "currency", "stan", "par"])
async def test_an_answer_that_belongs_to_another_payment_is_no_answer(house, field) -> None:
    wrong = {"payment_token": OTHER_TOKEN, "amount_minor": 9999, "currency": "840", "stan": "000009", "par": "short"}

    async def mix_up(response: RouteAuthorisationResponse, _call: Call) -> None:
        setattr(response.transaction if field == "stan" else response, field, wrong[field])

    acquirer, house.network.then = house.start(), mix_up
    with pytest.raises(Unavailable):
        await acquirer.calls.SubmitPayment(payment())
    await acquirer.later(0)
    assert len(house.network.given_back) == 1
    assert house.network.holds == {}


async def test_what_the_network_did_not_begin_may_come_again(house) -> None:
    acquirer = house.start()
    house.network.before_holding = Overloaded("BUSY", "too much at once")
    with pytest.raises(Overloaded):
        await acquirer.calls.SubmitPayment(payment())
    house.network.before_holding = None

    answer = await acquirer.calls.SubmitPayment(payment())
    assert (answer.response_code, answer.transaction.stan) == ("00", "000002")
    await acquirer.later(ABANDONED_AFTER_S)
    assert house.network.given_back == []
