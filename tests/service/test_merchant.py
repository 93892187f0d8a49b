"""The shop as its customers meet it: in-process wire, real store, and neighbours that really answer or refuse."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from houses import SHOP, TOKEN_DATA, MerchantHouse, card, order
from neighbours import APPROVED, DECLINED, OTHER_TOKEN, PAR, TOKEN, emptied, hang

from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import InProgress, InvalidField, KeyReused, NotFound, Overloaded, TimedOut, Unavailable
from cardnet.response_code import ResponseCode as Code
from cardnet.v1.acquirer_pb2 import SubmitPaymentRequest
from cardnet.v1.merchant_pb2 import CheckoutResponse, SaveCardResponse
from cardnet.v1.payment_pb2 import TokenData
from cardnet.v1.token_service_pb2 import RequestCryptogramRequest, RequestTokenRequest

CHECKOUT = "/cardnet.v1.Merchant/Checkout"


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedStore]:
    with EmbeddedStore.start(None, ("merchant",)) as server:
        yield server


@pytest.fixture
async def house(server: EmbeddedStore) -> AsyncIterator[MerchantHouse]:
    await emptied(server)
    async with MerchantHouse(server) as house:
        yield house


async def saved(house: MerchantHouse) -> str:
    """The name of a card that is on file now."""
    answer = await house.start().calls.SaveCard(card())
    house.tsp.asked.clear()
    return answer.card_on_file_id


async def test_a_card_is_put_on_file_without_being_seen(house) -> None:
    shop = house.start()
    answer = await shop.calls.SaveCard(card())
    assert house.tsp.asked == [
        RequestTokenRequest(token_requestor_id="00000000001", encrypted_card=card().encrypted_card)
    ]
    assert answer == SaveCardResponse(
        saved=True,
        card_on_file_id=answer.card_on_file_id,
        pan_last_four="0012",
        token_last_four="0014",
        par=PAR,
        response_code="00",
        notice="The card is saved.",
        decision=APPROVED,
        token_reference_id="reference-1",
    )
    assert (await shop.calls.SaveCard(card())).card_on_file_id == answer.card_on_file_id
    assert (await shop.calls.SaveCard(card("bob"))).card_on_file_id != answer.card_on_file_id


async def test_a_card_that_is_not_taken_is_not_on_file_and_the_customer_hears_why(house) -> None:
    house.tsp.response_code = "14"
    answer = await house.start().calls.SaveCard(card())
    notice = "The card was not saved: it is not known. Please check its number."
    assert answer == SaveCardResponse(saved=False, response_code="14", notice=notice, decision=DECLINED)


@pytest.mark.parametrize("fault", [Unavailable("AWAY", "away"), InvalidField("encrypted_card", "must be readable")])
async def test_a_card_that_the_tsp_cannot_take_is_a_fault(house, fault) -> None:
    house.tsp.fault = fault
    with pytest.raises(type(fault)):
        await house.start().calls.SaveCard(card())


async def test_a_card_on_file_pays_with_token_cryptogram_and_merchant_identifiers(house) -> None:
    id_ = await saved(house)
    answer = await house.start().calls.Checkout(order(card_on_file_id=id_))

    assert house.tsp.asked == [
        RequestCryptogramRequest(
            token_requestor_id="00000000001",
            payment_token=TOKEN,
            token_expiry="2911",
            merchant=SHOP,
            amount_minor=1250,
            currency="978",
        )
    ]
    assert house.acquirer.asked == [
        SubmitPaymentRequest(
            payment_reference="order-1",
            token_data=TOKEN_DATA,
            merchant=SHOP,
            amount_minor=1250,
            currency="978",
            pos_entry_mode=10,
        )
    ]
    assert answer == CheckoutResponse(
        approved=True,
        response_code="00",
        notice="Thank you. The payment was approved.",
        auth_code="A1B2C3",
        rrn="632609000001",
        pan_last_four="0012",
        trace_id=answer.trace_id,
    )
    assert len(answer.trace_id) == 32


async def test_step_1_is_recorded_as_the_site_completed_it(house) -> None:
    recorded = []
    shop = house.start()
    shop.border._recorder.record = recorded.append
    id_ = (await shop.calls.SaveCard(card())).card_on_file_id
    await shop.calls.Checkout(order(card_on_file_id=id_))
    assert recorded[-1].request == order(card_on_file_id=id_, token_data=TOKEN_DATA, merchant=SHOP)


@pytest.mark.parametrize(("modes", "said"), [([10, 81], 10), ([81], 81), ([], 81)])
async def test_the_entry_mode_is_one_that_the_token_s_domain_agrees_to(house, modes, said) -> None:
    house.tsp.pos_entry_modes = modes
    id_ = await saved(house)
    await house.start().calls.Checkout(order(card_on_file_id=id_))
    assert house.acquirer.asked[0].pos_entry_mode == said


async def test_token_data_of_the_caller_s_own_are_used_as_they_are(house) -> None:
    bare = TokenData(payment_token=OTHER_TOKEN, token_expiry="3001")
    answer = await house.start().calls.Checkout(order(token_data=bare, merchant=SHOP))
    assert answer.approved
    assert house.tsp.asked == []
    assert house.acquirer.asked[0].token_data == bare
    assert house.acquirer.asked[0].pos_entry_mode == 81


async def test_what_cannot_be_an_order_is_refused_before_anything_is_kept(house) -> None:
    shop, id_ = house.start(), await saved(house)
    other = type(SHOP).FromString(SHOP.SerializeToString())
    other.merchant_domain = "evil.example"
    for wrong, field in (
        (order(), "card_on_file_id"),
        (order(card_on_file_id=id_, token_data=TOKEN_DATA), "card_on_file_id"),
        (order(card_on_file_id=id_, merchant=other), "merchant"),
    ):
        with pytest.raises(InvalidField) as violation:
            await shop.calls.Checkout(wrong)
        assert violation.value.field == field
    with pytest.raises(NotFound, match="save the card first"):
        await shop.calls.Checkout(order(card_on_file_id="card-unknown"))
    assert (await shop.calls.Checkout(order(card_on_file_id=id_))).approved  # the same key was not used up


async def test_a_repeat_gets_the_same_bytes_and_nothing_is_asked_again(house) -> None:
    id_ = await saved(house)
    first = await house.start().ask(CHECKOUT, order(card_on_file_id=id_))
    assert await house.start().ask(CHECKOUT, order(card_on_file_id=id_)) == first
    assert len(house.tsp.asked) == len(house.acquirer.asked) == 1


async def test_32_repeats_at_once_are_submitted_once(house) -> None:
    shop, id_ = house.start(), await saved(house)
    calls = (shop.ask(CHECKOUT, order(card_on_file_id=id_)) for _ in range(32))
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} <= {bytes, InProgress}
    assert len({outcome for outcome in outcomes if isinstance(outcome, bytes)}) == 1
    assert len(house.tsp.asked) == len(house.acquirer.asked) == 1


async def test_another_body_under_the_same_key_is_refused(house) -> None:
    shop, id_ = house.start(), await saved(house)
    await shop.calls.Checkout(order(card_on_file_id=id_))
    with pytest.raises(KeyReused):
        await shop.calls.Checkout(order(card_on_file_id=id_, amount_minor=1))
    assert len(house.acquirer.asked) == 1


@pytest.mark.parametrize("code", ["51", "62", "91", "ZZ"])
async def test_a_refusal_is_an_answer_and_is_kept_like_one(house, code) -> None:
    shop, id_ = house.start(), await saved(house)
    house.acquirer.response_code = code
    answer = await shop.calls.Checkout(order(card_on_file_id=id_))
    assert (answer.approved, answer.response_code) == (False, code)
    assert answer.notice.startswith(("The payment was declined", "Your bank did not answer"))
    house.acquirer.response_code = "00"
    assert await shop.calls.Checkout(order(card_on_file_id=id_)) == answer


async def test_a_token_that_gets_no_cryptogram_is_paid_with_all_the_same_for_step_4_has_the_last_word(house) -> None:
    shop, id_ = house.start(), await saved(house)
    house.tsp.response_code = "62"
    house.acquirer.response_code = "62"
    answer = await shop.calls.Checkout(order(card_on_file_id=id_))
    assert (answer.response_code, answer.notice) == ("62", Code.RESTRICTED_CARD.notice)
    [payment] = house.acquirer.asked
    assert payment.token_data.payment_token
    assert payment.token_data.cryptogram == ""


@pytest.mark.parametrize("silent", [True, False])
async def test_without_the_tsp_nothing_is_sent_and_the_key_stays_good(house, silent) -> None:
    id_ = await saved(house)
    house.tsp.then, house.tsp.fault = (hang, None) if silent else (None, Overloaded("BUSY", "too much at once"))
    with pytest.raises(TimedOut if silent else Overloaded):
        await house.start().calls.Checkout(order(card_on_file_id=id_))
    house.tsp.then = house.tsp.fault = None
    assert (await house.start().calls.Checkout(order(card_on_file_id=id_))).approved
    assert house.acquirer.taken_back == []
