"""Cards that customers type into the shop's page: a token of the page's is exchanged for a network token, and pays."""

from collections.abc import AsyncIterator, Iterator

import pytest
from browser_neighbours import PAGE, TYPED, house_of_browsers
from houses import SHOP, MerchantHouse, card, order
from neighbours import CRYPTOGRAM, OTHER_TOKEN, TOKEN, hang

from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import InvalidField, KeyReused, TimedOut, Unavailable
from cardnet.v1.acquirer_pb2 import SubmitPaymentRequest
from cardnet.v1.merchant_pb2 import BrowserCard, TokenizedCard
from cardnet.v1.payment_pb2 import TokenData
from cardnet.v1.token_service_pb2 import BrowserToken, RequestCryptogramRequest, RequestTokenRequest

CHECKOUT = "/cardnet.v1.Merchant/Checkout"
ONCE, ON_FILE = "00000000004", "00000000001"


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedStore]:
    with EmbeddedStore.start(None, ("merchant",)) as server:
        yield server


@pytest.fixture
async def house(server: EmbeddedStore) -> AsyncIterator[MerchantHouse]:
    async with await house_of_browsers(server) as house:
        yield house


def asked_for(requestor: str, order_: str = "order-1") -> RequestTokenRequest:
    token = BrowserToken(value=TYPED.token, service_id="001", origin=PAGE, used_for=order_)
    return RequestTokenRequest(token_requestor_id=requestor, browser_token=token)


def submitted(requestor: str) -> SubmitPaymentRequest:
    token_data = TokenData(
        payment_token=TOKEN, token_expiry="2911", token_requestor_id=requestor, cryptogram=CRYPTOGRAM
    )
    return SubmitPaymentRequest(
        payment_reference="order-1",
        token_data=token_data,
        merchant=SHOP,
        amount_minor=1250,
        currency="978",
        pos_entry_mode=81,
    )


async def test_a_typed_card_pays_once_with_a_token_and_cryptogram_of_the_one_time_requestor(house) -> None:
    answer = await house.start().calls.Checkout(order(browser_card=TYPED))

    exchange, cryptogram = house.tsp.asked
    assert exchange == asked_for(ONCE)
    assert cryptogram == RequestCryptogramRequest(
        token_requestor_id=ONCE,
        payment_token=TOKEN,
        token_expiry="2911",
        merchant=SHOP,
        amount_minor=1250,
        currency="978",
    )
    assert house.acquirer.asked == [submitted(ONCE)]
    assert (answer.approved, answer.response_code, answer.card_on_file_id) == (True, "00", "")


async def test_a_typed_card_is_put_on_file_once_it_has_paid_and_pays_again_without_a_page(house) -> None:
    shop = house.start()
    answer = await shop.calls.Checkout(order(browser_card=TYPED, save_for_customer_id="alice"))
    assert house.tsp.asked[0] == asked_for(ON_FILE)
    assert house.acquirer.asked == [submitted(ON_FILE)]
    assert answer.card_on_file_id.startswith("card-")

    later = await shop.calls.Checkout(order("order-2", card_on_file_id=answer.card_on_file_id))
    assert later.approved
    assert house.acquirer.asked[1].pos_entry_mode == 10
    assert len(house.tsp.of(RequestTokenRequest)) == 1


async def test_a_card_on_file_has_the_same_name_whether_it_was_saved_or_typed(house) -> None:

    shop = house.start()
    saved = await shop.calls.SaveCard(card())
    typed = await shop.calls.Checkout(order(browser_card=TYPED, save_for_customer_id="alice"))
    assert typed.card_on_file_id == saved.card_on_file_id


async def test_a_card_whose_payment_is_refused_is_not_put_on_file(house) -> None:
    shop = house.start()
    house.acquirer.response_code = "51"
    answer = await shop.calls.Checkout(order(browser_card=TYPED, save_for_customer_id="alice"))
    assert (answer.approved, answer.card_on_file_id) == (False, "")
    assert await shop.store.command("EXISTS", "merchant:{staged:order-1}") == 0


def expire(house: MerchantHouse) -> BrowserCard:
    house.tsp.expired.add(TYPED.token)
    return TYPED


def use_up(house: MerchantHouse) -> BrowserCard:
    house.tsp.used[TYPED.token] = "another order"
    return TYPED


def not_one(house: MerchantHouse) -> BrowserCard:
    return BrowserCard(token="U" * 32, service_id="001", origin=PAGE)


def of_another_page(house: MerchantHouse) -> BrowserCard:
    return BrowserCard(token=TYPED.token, service_id="001", origin="https://other.example")


def of_another_service(house: MerchantHouse) -> BrowserCard:
    return BrowserCard(token=TYPED.token, service_id="002", origin=PAGE)


def bank_silent(house: MerchantHouse) -> BrowserCard:
    house.tsp.response_code = "91"
    return TYPED


@pytest.mark.parametrize(
    ("wrong", "code", "notice"),
    [
        (not_one, "14", "Nothing was charged: the card is not known. Please type the card again."),
        (
            expire,
            "54",
            "The card details have expired on this page, or the card itself has. Please type the card again.",
        ),
        (
            of_another_page,
            "57",
            "Nothing was charged: this page may not use these card details. Please type the card again.",
        ),
        (
            of_another_service,
            "57",
            "Nothing was charged: this page may not use these card details. Please type the card again.",
        ),
        (
            use_up,
            "65",
            "Nothing was charged: these card details have been used before. Please type the card again.",
        ),
        (bank_silent, "91", "Your bank did not answer. Nothing was charged. Please try again later."),
    ],
)
async def test_a_card_for_which_there_is_no_token_is_an_answer_that_the_customer_understands(
    house, wrong, code, notice
) -> None:
    shop, typed = house.start(), wrong(house)
    request = order(browser_card=typed, save_for_customer_id="alice")
    first = await shop.ask(CHECKOUT, request)
    answer = await shop.calls.Checkout(request)

    assert (answer.approved, answer.response_code, answer.notice) == (False, code, notice)
    assert len(answer.trace_id) == 32
    assert answer.SerializeToString() == first  # an answer like others: the same key gets it again
    assert house.acquirer.asked == []
    assert len(house.tsp.asked) == 1


async def test_a_card_that_its_bank_must_confirm_first_does_not_pay_and_is_not_kept(house) -> None:
    house.tsp.passcode = "123456"
    shop = house.start()
    answer = await shop.calls.Checkout(order(browser_card=TYPED, save_for_customer_id="alice"))
    assert (answer.approved, answer.response_code, answer.card_on_file_id) == (False, "78", "")
    assert answer.notice == "Nothing was charged: your bank must confirm this card first. Please use another."
    assert house.acquirer.asked == []


async def test_the_same_order_is_paid_once_and_another_order_gets_nothing_for_the_same_token(house) -> None:
    shop = house.start()
    first = await shop.ask(CHECKOUT, order(browser_card=TYPED))
    assert await house.start().ask(CHECKOUT, order(browser_card=TYPED)) == first
    with pytest.raises(KeyReused):
        await shop.calls.Checkout(order(browser_card=TYPED, amount_minor=1))
    assert (await shop.calls.Checkout(order("order-2", browser_card=TYPED))).response_code == "65"
    assert len(house.acquirer.asked) == 1


@pytest.mark.parametrize("lost", [RequestTokenRequest, RequestCryptogramRequest])
async def test_where_the_tsp_s_answer_is_lost_the_same_key_pays_with_the_same_token(house, lost) -> None:
    async def lose(request, call):
        if isinstance(request, lost):
            await hang(request, call)

    house.tsp.then = lose
    with pytest.raises(TimedOut):
        await house.start().calls.Checkout(order(browser_card=TYPED))
    assert house.acquirer.asked == house.acquirer.taken_back == []
    house.tsp.then = None
    assert (await house.start().calls.Checkout(order(browser_card=TYPED))).approved


async def test_an_unknown_outcome_is_taken_back_and_nothing_is_kept(house) -> None:
    shop = house.start()

    async def mix_up(response, _call):
        response.payment_token = OTHER_TOKEN

    house.acquirer.then = mix_up
    with pytest.raises(Unavailable):
        await shop.calls.Checkout(order(browser_card=TYPED, save_for_customer_id="alice"))
    await shop.later(0)
    assert house.acquirer.approved == set()
    with pytest.raises(Unavailable) as again:
        await shop.calls.Checkout(order(browser_card=TYPED, save_for_customer_id="alice"))
    assert again.value.reason == "OUTCOME_UNKNOWN_REVERSED"
    assert await shop.store.command("EXISTS", "merchant:{staged:order-1}") == 0


async def test_an_order_brings_one_thing_to_pay_with(house) -> None:
    shop = house.start()
    wallet = TokenizedCard(encrypted_details="a.b.c.d.e")
    for wrong, field in (
        (order(browser_card=TYPED, tokenized_card=wallet), "browser_card"),
        (order(browser_card=TYPED, card_on_file_id="card-1"), "card_on_file_id"),
        (order(tokenized_card=wallet, token_data=TokenData(payment_token=TOKEN, token_expiry="2911")), "token_data"),
        (order(browser_card=TYPED, original_rrn="632609000001"), "original_rrn"),
        (order(card_on_file_id="card-1", save_for_customer_id="alice"), "save_for_customer_id"),
        (order(tokenized_card=wallet, save_for_customer_id="alice"), "save_for_customer_id"),  # it pays once
    ):
        with pytest.raises(InvalidField) as violation:
            await shop.calls.Checkout(wrong)
        assert violation.value.field == field
    assert house.tsp.asked == []


async def test_step_1_is_recorded_with_the_token_and_without_what_the_page_got(house) -> None:
    from cardnet import messages

    recorded = []
    shop = house.start()
    shop.border._recorder.record = recorded.append
    await shop.calls.Checkout(order(browser_card=TYPED))
    shown = messages.show(recorded[-1].request)
    assert shown["payment_token"] == "••••0014"  # noqa: S105 - masked
    assert TYPED.token not in str(shown)
