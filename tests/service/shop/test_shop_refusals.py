"""What the demo shop does not take: cards, other people's orders and cards, pages that are not its own."""

import sys
from pathlib import Path

import pytest
from browsing import Browser, SavedCard, members

from cardnet.test_cards import test_card as card_named
from cardnet.testing import LocalNetwork

pytestmark = pytest.mark.asyncio(loop_scope="module")

sys.path.append(str(Path(__file__).parents[2] / "flow"))  # the canary is that of the other tests
from canary import found, shapes, store_contents  # noqa: E402

PAN = card_named("approved").pan
SPACED = " ".join(PAN[place : place + 4] for place in range(0, 16, 4))


async def kept(street: LocalNetwork) -> bytes:
    """All that stands in the network's store."""
    assert street.store
    return await store_contents(street.store.admin_url)


@pytest.mark.parametrize(
    "fields",
    [
        {"product": "tea", "orderKey": PAN, "cardOnFile": "card-1"},
        {"product": "tea", "browserToken": SPACED},
        {"tokenizedCard": {"encryptedDetails": "a.b.c", "usage": PAN}},
        {"tokenizedCard": [{PAN: 1}]},
        {"number": int(PAN)},
    ],
)
async def test_a_card_number_is_refused_wherever_it_stands_and_never_kept(
    browser: Browser, street: LocalNetwork, fields: dict[str, object]
) -> None:
    await browser.order_key("tea")
    answer = await browser.send("/orders", fields)
    assert answer.status_code == 400
    assert "must hold no card number" in members(answer)["detail"]
    assert PAN not in answer.text
    assert not found(await kept(street), shapes(PAN))


async def test_a_card_number_in_an_address_gets_into_no_row_and_on_no_page(
    browser: Browser, street: LocalNetwork
) -> None:
    await browser.order_key("tea")
    for path in (f"/orders/{PAN}", f"/checkout/{PAN}", f"/{PAN}", f"/sign-in?next=/{PAN}"):
        assert PAN not in (await browser.get(path, cookie=f"cardnet-shop={PAN}")).text
    assert not found(await kept(street), shapes(PAN))


async def test_a_card_number_in_a_form_is_refused(browser: Browser) -> None:
    answer = await browser.submit("/orders", product="tea", number=SPACED)
    assert answer.status_code == 400
    assert "must hold no card number" in answer.text
    assert SPACED not in answer.text


async def test_a_card_number_hidden_by_escapes_is_refused(browser: Browser) -> None:
    hidden = "".join(f"\\u00{ord(digit):x}" for digit in PAN)
    answer = await browser.client.post(
        "/orders", content=f'{{"product": "{hidden}"}}', headers={"content-type": "application/json"}
    )
    assert "must hold no card number" in members(answer)["detail"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "cardOnFile"),
        ({"cardOnFile": "card-1", "browserToken": "t"}, "cardOnFile"),
        ({"cardOnFile": 1}, "cardOnFile"),
        ({"cardOnFile": "card-1", "orderKey": "\ud800"}, "orderKey"),
        ({"browserToken": "\udfff"}, "browserToken"),
        ({"tokenizedCard": {"encryptedDetails": "\ud800"}}, "encryptedDetails"),
        ({"tokenizedCard": "t"}, "tokenizedCard"),
        ({"browserToken": "t", "keep": True}, "keep"),
        ({"cardOnFile": "card-1"}, "cardOnFile"),
        ({"tokenizedCard": {"encryptedDetails": "a", "usage": "forever"}}, "tokenizedCard.usage"),
        ({"tokenizedCard": {"encryptedDetails": "a", "usage": "recurring"}}, "tokenizedCard.usage"),
        (
            {"tokenizedCard": {"encryptedDetails": "a", "usage": "one-time", "paymentRequestId": "x"}},
            "tokenizedCard.paymentRequestId",
        ),
    ],
)
async def test_a_malformed_order_names_its_field_and_charges_nothing(
    browser: Browser, fields: dict[str, object], field: str
) -> None:
    key = await browser.order_key("tea")
    answer = await browser.send("/orders", {"product": "tea", "orderKey": key, **fields})
    assert answer.status_code == 400
    assert members(answer)["field"] == field
    assert "Nothing was charged." in members(answer)["detail"]


@pytest.mark.parametrize("key", ["", "0" * 32, "../visit", "x" * 200])
async def test_an_order_whose_key_the_shop_did_not_make_is_refused(browser: Browser, key: str) -> None:
    await browser.order_key("tea")
    answer = await browser.send("/orders", {"product": "tea", "orderKey": key, "browserToken": "a" * 32})
    assert answer.status_code == 404
    assert members(answer)["reason"] == "ORDER_UNKNOWN"


async def test_the_key_of_another_product_or_visit_is_refused(browser: Browser, other_browser: Browser) -> None:
    key = await browser.order_key("tea")
    await other_browser.order_key("tea")
    for visitor, product in ((browser, "club"), (browser, "lamp"), (other_browser, "tea")):
        order = {"product": product, "orderKey": key, "browserToken": "a" * 32}
        assert (await visitor.send("/orders", order)).status_code == 404


async def test_another_customer_s_card_on_file_pays_nothing(browser: Browser, on_file: SavedCard) -> None:
    card = await on_file(customer="jonas")
    await browser.sign_in("mina")
    answer = await browser.pay_on_file("tea", card)
    assert answer.status_code == 400
    assert "a card of yours" in answer.text


async def test_a_subscription_is_for_those_who_signed_in_and_paid_by_wallet(
    browser: Browser, on_file: SavedCard
) -> None:
    assert 'id="sign-in-to-subscribe"' in (await browser.get("/checkout/club")).text
    card = await on_file()
    await browser.sign_in()
    answer = await browser.pay_on_file("club", card)
    assert answer.status_code == 400
    assert "paid by wallet" in answer.text


async def test_what_is_no_subscription_is_not_charged_again(browser: Browser, on_file: SavedCard) -> None:
    card = await on_file()
    await browser.sign_in()
    place = (await browser.pay_on_file("tea", card)).headers["location"]
    for month in ("2", "0", "x", "٣"):
        answer = await browser.submit(f"{place}/next-month", month=month)
        assert answer.status_code == 400


@pytest.mark.parametrize("destination", ["image", "empty", "iframe"])
async def test_a_checkout_that_nobody_opens_begins_no_visit(browser: Browser, destination: str) -> None:
    answer = await browser.get("/checkout/tea", **{"sec-fetch-dest": destination})
    assert answer.status_code == 403
    assert not browser.client.cookies
    assert (await browser.get("/checkout/tea", **{"sec-fetch-dest": "document"})).status_code == 200


async def test_another_site_s_post_is_refused(browser: Browser) -> None:
    browser.client.headers["origin"] = "http://evil.example"
    assert (await browser.sign_in()).status_code == 403


async def test_a_visit_that_ended_charges_nothing(browser: Browser) -> None:
    answer = await browser.send("/orders", {"product": "tea", "orderKey": "0" * 32, "browserToken": "a" * 32})
    assert answer.status_code == 409
    assert "Nothing was charged" in members(answer)["detail"]


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "text/plain", "", "application/json"])
async def test_a_body_that_is_no_order_is_refused(browser: Browser, kind: str) -> None:
    answer = await browser.client.post("/orders", content=b"[1", headers={"content-type": kind})
    assert answer.status_code == 400


async def test_what_is_not_there_is_a_page_to_people_and_a_problem_to_programs(browser: Browser) -> None:
    page = await browser.get("/nothing")
    assert page.status_code == 404
    assert "There is no such page here" in page.text
    told = await browser.get("/checkout/gold", accept="application/json")
    assert told.headers["content-type"] == "application/problem+json"
    wrong = await browser.client.put("/orders")
    assert wrong.status_code == 405
    assert wrong.headers["allow"]
