"""Orders at the demo shop: paid once, shown to their owners alone, and told clearly when something fails."""

import re

import pytest
from browsing import Browser, SavedCard, attribute, members, text_of
from losing_wire import Wire

from cardnet.steps import STEPS
from cardnet.testing import LocalNetwork

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_card_on_file_pays_by_a_plain_form_and_takes_the_nine_steps(
    browser: Browser, on_file: SavedCard, street: LocalNetwork
) -> None:
    card = await on_file()
    await browser.sign_in()
    page = (await browser.get("/checkout/tea")).text
    assert f'value="{card}"' in page

    receipt = await browser.receipt(await browser.pay_on_file("tea", card))

    assert attribute(receipt, "data-state") == "approved"
    assert text_of(receipt, "receipt-amount") == "12.40 USD"
    assert re.fullmatch("[A-Z0-9]{6}", text_of(receipt, "auth-code"))
    assert re.fullmatch("[A-Za-z0-9]{12}", text_of(receipt, "rrn"))
    trace = await street.trace(text_of(receipt, "trace-command").removeprefix("cardnet trace "))
    assert [step.number for step in trace.steps] == [step.number for step in STEPS]


@pytest.mark.parametrize(
    ("product", "balance", "shown"),
    [
        ("lamp", "100.00 EUR", "59.00 EUR"),
        ("print", "10000 JPY", "4800 JPY"),
        ("dates", "10.000 KWD", "7.250 KWD"),
    ],
)
async def test_each_currency_is_shown_and_paid_with_its_own_decimals(
    browser: Browser, on_file: SavedCard, product: str, balance: str, shown: str
) -> None:
    card = await on_file(balance)
    await browser.sign_in()
    receipt = await browser.receipt(await browser.pay_on_file(product, card))
    assert attribute(receipt, "data-state") == "approved"
    assert text_of(receipt, "receipt-amount") == shown


async def test_pressing_twice_pays_once(browser: Browser, on_file: SavedCard, wire: Wire) -> None:
    card = await on_file()
    await browser.sign_in()
    key = await browser.order_key("tea")
    before = wire.payments
    first, second = [await browser.pay_on_file("tea", card, key) for _ in range(2)]
    assert first.headers["location"] == second.headers["location"]
    assert wire.payments == before + 1


async def test_a_page_that_is_loaded_again_has_the_same_order_until_that_is_answered(
    browser: Browser, on_file: SavedCard
) -> None:
    card = await on_file()
    await browser.sign_in()
    first, again, another = [await browser.order_key(product) for product in ("tea", "tea", "notebook")]
    assert first == again != another
    await browser.pay_on_file("tea", card, first)
    assert await browser.order_key("tea") != first


async def test_a_refused_payment_says_why_and_may_be_tried_again(browser: Browser, on_file: SavedCard) -> None:
    poor, rich = await on_file("1.00 USD"), await on_file()
    await browser.sign_in()
    refused = await browser.receipt(await browser.pay_on_file("tea", poor))
    assert attribute(refused, "data-response-code") == "51"
    assert "not enough funds" in text_of(refused, "notice")
    assert 'href="/checkout/tea"' in refused
    paid = await browser.receipt(await browser.pay_on_file("tea", rich))
    assert attribute(paid, "data-state") == "approved"


async def test_the_page_s_script_is_told_where_the_receipt_is(browser: Browser, on_file: SavedCard) -> None:
    card = await on_file()
    await browser.sign_in()
    key = await browser.order_key("tea")
    answer = await browser.send("/orders", {"product": "tea", "orderKey": key, "cardOnFile": card})
    assert answer.status_code == 201
    assert members(answer) == {"location": f"/orders/{key}", "approved": True}


async def test_a_lost_answer_is_said_to_be_unknown_and_the_order_is_given_back(
    browser: Browser, on_file: SavedCard, wire: Wire
) -> None:
    card = await on_file()
    await browser.sign_in()
    key = await browser.order_key("tea")
    wire.losing = True
    lost = await browser.pay_on_file("tea", card, key)
    wire.losing = False
    assert lost.status_code == 504
    assert "What came of it is not known here" in text_of(lost.text, "trouble")
    assert "No answer yet" in (await browser.get(f"/orders/{key}")).text

    again = await browser.pay_on_file("tea", card, key)

    given_back = await browser.receipt(again)
    assert attribute(given_back, "data-state") == "refused"
    assert "Whatever was taken is given back" in text_of(given_back, "notice")
    receipt = await browser.receipt(await browser.pay_on_file("tea", card))
    assert attribute(receipt, "data-state") == "approved"


async def test_an_open_order_is_not_sent_with_another_card(browser: Browser, on_file: SavedCard, wire: Wire) -> None:
    card, other = await on_file(), await on_file()
    await browser.sign_in()
    key = await browser.order_key("tea")
    wire.losing = True
    await browser.pay_on_file("tea", card, key)
    wire.losing = False
    before = wire.payments
    answer = await browser.send("/orders", {"product": "tea", "orderKey": key, "cardOnFile": other})
    assert members(answer) == {"location": f"/orders/{key}", "approved": False}
    assert wire.payments == before
    assert await browser.order_key("tea") != key


async def test_an_open_order_does_not_hinder_the_next_customer_of_the_browser(
    browser: Browser, on_file: SavedCard, wire: Wire
) -> None:
    card, other = await on_file(), await on_file(customer="jonas")
    await browser.sign_in("mina")
    wire.losing = True
    await browser.pay_on_file("tea", card)
    wire.losing = False
    await browser.sign_in("jonas")
    assert (await browser.pay_on_file("tea", other)).status_code == 404
    receipt = await browser.receipt(await browser.pay_on_file("tea", other))
    assert attribute(receipt, "data-state") == "approved"


async def test_the_history_shows_the_newest_order_first(browser: Browser, on_file: SavedCard) -> None:
    card = await on_file(customer="aiko")
    await browser.sign_in("aiko")
    keys = []
    for product in ("tea", "notebook"):
        keys.append(await browser.order_key(product))
        await browser.pay_on_file(product, card, keys[-1])
    page = (await browser.get("/orders")).text
    assert page.index(keys[1]) < page.index(keys[0])


async def test_nobody_else_sees_an_order(browser: Browser, other_browser: Browser, on_file: SavedCard) -> None:
    card = await on_file()
    await browser.sign_in()
    place = (await browser.pay_on_file("tea", card)).headers["location"]
    assert (await other_browser.get(place)).status_code == 404
    await other_browser.sign_in("jonas")
    assert (await other_browser.get(place)).status_code == 404
    assert place not in (await other_browser.get("/orders")).text
    await browser.submit("/sign-out")
    assert (await browser.get(place)).status_code == 404
