"""Payment with token by JavaScript: statements C01 to C12, in a real browser."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from canary import alone
from merchant_environment import held, traces_of
from person import Person
from playwright.async_api import expect
from shopping import NINE, Receipt, open_checkout, pay_by_card, pay_on_file, receipt, sign_in, type_card

from cardnet.test_cards import test_card
from cardnet.v1.merchant_pb2 import BrowserCard, CheckoutRequest, CheckoutResponse
from cardnet.v1.merchant_pb2_grpc import MerchantStub
from cardnet.v1.token_service_pb2 import BrowserToken, RequestTokenRequest, RequestTokenResponse
from cardnet.v1.token_service_pb2_grpc import TokenServiceStub

CARD = test_card("approved")
LIFE = timedelta(minutes=20)

CREATE = """async ([merchantId, serviceId, number, expiry]) => {
    try {
        return await cardnet.createToken({ merchantId, serviceId, number, expiry, securityCode: "123" });
    } catch (error) {
        return { result: error.result, errorCode: error.errorCode, field: error.field, message: error.message };
    }
}"""


async def new_token(person: Person, *, merchant: str = "MERCHANT0000001", service: str = "001") -> dict[str, Any]:
    """What the script answers in the shop's page."""
    await open_checkout(person)
    answer: dict[str, Any] = await person.page.evaluate(CREATE, [merchant, service, CARD.pan, "11/30"])
    return answer


async def paid_with(
    person: Person, token: str, order: str, *, service: str = "001", origin: str = ""
) -> CheckoutResponse:
    """What becomes of an order that the shop's server pays with a token."""
    card = BrowserCard(token=token, service_id=service, origin=origin or person.shop)
    request = CheckoutRequest(idempotency_key=order, amount_minor=1240, currency="840", browser_card=card)
    answer: CheckoutResponse = await person.network.stub(MerchantStub, "merchant").Checkout(request)
    return answer


async def requested_by(person: Person, caller: str, requestor: str, token: str) -> RequestTokenResponse:
    """What a requestor is answered who names a token."""
    named = BrowserToken(value=token, service_id="001", origin=person.shop, used_for="order")
    request = RequestTokenRequest(token_requestor_id=requestor, browser_token=named)
    answer: RequestTokenResponse = await person.network.stub(TokenServiceStub, "tsp", caller).RequestToken(request)
    return answer


async def test_the_number_goes_from_the_page_to_the_token_service_and_encrypted(person: Person) -> None:
    assert (await pay_by_card(person, CARD)).state == "approved"
    sent = person.said_to(person.tokens)
    body = json.loads(next(said.body for said in person.said if said.url == f"{person.tokens}/v1/tokens" and said.body))
    assert set(body) == {"merchantId", "serviceId", "encryptedCard"}
    assert CARD.pan.encode() not in sent and not alone(sent, "3011")
    assert len(body["encryptedCard"].split(".")) == 5


async def test_the_number_becomes_a_token_of_letters_and_digits_that_is_new_each_time(person: Person) -> None:
    first, second = await new_token(person), await new_token(person)
    assert first["token"] != second["token"]
    for answer in (first, second):
        assert re.fullmatch(r"[A-Za-z0-9]{32}", answer["token"])
        assert answer["result"] == "OK"
        assert answer["maskedNumber"].endswith(CARD.last_four) and CARD.pan[:12] not in answer["maskedNumber"]
        assert answer["brand"] == "cardnet"


async def test_the_page_sends_the_shop_the_token_and_never_the_number(person: Person) -> None:
    await pay_by_card(person, CARD)
    orders = [json.loads(said.body) for said in person.said if said.url == f"{person.shop}/orders" and said.body]
    assert [set(order) for order in orders] == [{"product", "orderKey", "browserToken", "keep"}]
    assert re.fullmatch(r"[A-Za-z0-9]{32}", orders[0]["browserToken"])
    assert CARD.pan.encode() not in person.said_to(person.shop)


async def test_the_shop_pays_with_token_and_amount(person: Person) -> None:
    token = (await new_token(person))["token"]
    answer = await paid_with(person, token, f"order-{token[:8]}")
    assert answer.approved and answer.pan_last_four == CARD.last_four


async def test_the_service_has_it_authorised_in_nine_steps_and_the_page_shows_a_receipt(person: Person) -> None:
    paid = await pay_by_card(person, CARD)
    assert (paid.state, paid.response_code, paid.amount) == ("approved", "00", "12.40 USD")
    assert paid.steps == NINE and CARD.last_four in paid.card
    await expect(person.page.locator("#trace-command")).to_contain_text("cardnet trace ")


async def test_a_refusal_is_shown_with_what_can_be_done(person: Person) -> None:
    refused = await pay_by_card(person, "insufficient-funds")
    assert (refused.state, refused.response_code) == ("refused", "51")
    await expect(person.page.locator("#notice")).to_contain_text("not enough funds")
    await person.page.locator("#try-again").click()
    await type_card(person, CARD)
    await person.page.locator("#pay-card").click()
    assert (await receipt(person)).state == "approved"


async def test_nothing_of_the_merchants_ever_held_the_number(person: Person) -> None:
    await sign_in(person)
    paid = await pay_by_card(person, CARD, keep=True)
    assert await traces_of(person, CARD) == set()
    assert await held(person, paid.rrn) == {"what the shop's page keeps", "the store"}  # the search finds what is there


async def test_a_token_means_nothing_at_another_site(person: Person) -> None:
    token = (await new_token(person))["token"]
    assert (await requested_by(person, "other-merchant", "00000000003", token)).response_code == "14"
    unknown = await requested_by(person, "other-merchant", "00000000003", "A" * 32)
    assert unknown.response_code == "14"
    assert (await paid_with(person, token, f"a-{token[:8]}", service="002")).response_code == "57"
    assert (await paid_with(person, token, f"b-{token[:8]}", origin="http://localhost:1")).response_code == "57"
    assert (await paid_with(person, token, f"c-{token[:8]}")).approved  # at home it is as good as before


async def test_a_page_of_another_site_gets_no_token(person: Person) -> None:
    await person.page.goto(f"{person.wallet}/")
    answer = await person.page.evaluate(
        """async (url) => {
            const options = { method: "POST", headers: { "content-type": "application/json" }, body: "{}" };
            return fetch(url, options).then((answer) => answer.status, () => "refused");
        }""",
        f"{person.tokens}/v1/tokens",
    )
    assert answer == "refused"


async def test_a_token_expires(person: Person) -> None:
    token = (await new_token(person))["token"]
    person.network.advance(LIFE + timedelta(seconds=1))
    answer = await paid_with(person, token, f"late-{token[:8]}")
    assert (answer.approved, answer.response_code) == (False, "54")
    assert (await requested_by(person, "other-merchant", "00000000003", token)).response_code == "14"


async def test_a_token_is_used_up_by_one_payment(person: Person) -> None:
    token = (await new_token(person))["token"]
    first = await paid_with(person, token, f"first-{token[:8]}")
    assert first.approved
    assert (await paid_with(person, token, f"second-{token[:8]}")).response_code == "65"
    assert await paid_with(person, token, f"first-{token[:8]}") == first  # the same order is told the same


async def test_a_shop_links_one_script_and_nobody_leaves_the_page(person: Person) -> None:
    await open_checkout(person)
    scripts = await person.page.locator("script").evaluate_all("all => all.map((one) => one.src)")
    assert [src for src in scripts if src.startswith(person.tokens)] == [f"{person.tokens}/cardnet.js"]
    before, frames = person.page.url, len(person.page.frames)
    made = await person.page.evaluate(CREATE, ["MERCHANT0000001", "001", CARD.pan, "203011"])
    assert made["result"] == "OK" and person.page.url == before and len(person.page.frames) == frames
    called = await person.page.evaluate(
        """([pan]) => new Promise((done) => cardnet.createToken(
            { merchantId: "MERCHANT0000001", serviceId: "001", number: pan, expiry: "11/30" }, done))""",
        [CARD.pan],
    )
    assert called["result"] == "OK" and called["token"] != made["token"]


@pytest.mark.parametrize("person", [{"scripts": False}], indirect=True)
async def test_without_javascript_there_is_no_token_and_the_page_says_so(person: Person) -> None:
    await open_checkout(person)
    await expect(person.page.locator("#no-script")).to_contain_text("needs JavaScript")
    await expect(person.page.locator("#card-number")).to_be_hidden()
    assert person.said_to(person.tokens) == b""


@pytest.mark.parametrize(
    ("product", "card", "amount"),
    [
        ("tea", "approved-debit", "12.40 USD"),
        ("lamp", "approved-eur", "59.00 EUR"),
        ("print", "approved-jpy", "4800 JPY"),
        ("dates", "approved-kwd", "7.250 KWD"),
    ],
)
async def test_credit_cards_pay_in_several_currencies(person: Person, product: str, card: str, amount: str) -> None:
    paid = await pay_by_card(person, card, product)
    assert (paid.state, paid.amount) == ("approved", amount)
    assert paid.field(1, "DE4") == amount.partition(" ")[0].replace(".", "")


async def test_a_card_that_was_kept_pays_again_without_javascript_or_number(person: Person) -> None:
    await sign_in(person, "jonas")
    assert (await pay_by_card(person, CARD, keep=True)).state == "approved"
    asked = len(person.said_to(person.tokens))
    again: Receipt = await pay_on_file(person, "notebook")
    assert (again.state, again.amount, again.steps) == ("approved", "9.50 USD", NINE)
    new = person.said_to(person.tokens)[asked:]
    assert b"/v1/tokens" not in new


@pytest.mark.parametrize(
    ("number", "expiry", "code", "field"),
    [
        ("9999 0000 0000 0013", "11/30", "123", "number"),
        ("4111 1111 1111 1111", "11/30", "123", "number"),
        ("9999 0000 0000 0012", "13/30", "123", "expiry"),
        ("9999 0000 0000 0012", "01/20", "123", "expiry"),
        ("9999 0000 0000 0012", "11/30", "12", "code"),
    ],
)
async def test_what_is_typed_wrong_is_said_at_its_field(
    person: Person, number: str, expiry: str, code: str, field: str
) -> None:
    await open_checkout(person)
    page = person.page
    for id_, text in (("number", number), ("expiry", expiry), ("code", code)):
        await page.locator(f"#card-{id_}").fill(text)
    await page.locator("#pay-card").click()
    await expect(page.locator(f"#card-{field}-error")).not_to_be_empty()
    assert not [said for said in person.said if said.method == "POST" and said.url.startswith(person.shop)]


async def test_the_cards_fields_have_no_names_and_a_submitted_form_tells_nothing(person: Person) -> None:
    await open_checkout(person)
    fields = person.page.locator("#card-number, #card-expiry, #card-code")
    assert await fields.evaluate_all("all => all.map((one) => one.name)") == ["", "", ""]
    await type_card(person, CARD)
    sent = await person.page.evaluate(
        "() => [...new FormData(document.querySelector('#card-number').form ?? document.createElement('form'))]"
    )
    assert sent == []
