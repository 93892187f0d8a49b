"""What a shop asks for: which cards fit, and how a request is read."""

import json
from typing import Any

import pytest
from wallet_house import House, ids


@pytest.mark.parametrize(
    ("data", "types"),
    [
        ({}, ["credit", "debit", "credit"]),
        (
            {"supportedNetworks": [], "supportedTypes": [], "supportedCryptogramTypes": []},
            ["credit", "debit", "credit"],
        ),
        ({"supportedNetworks": ["visa", "cardnet"]}, ["credit", "debit", "credit"]),
        ({"supportedNetworks": ["visa"]}, []),
        ({"supportedNetworks": ["CARDNET"]}, []),
        ({"supportedTypes": ["debit"]}, ["debit"]),
        ({"supportedTypes": ["debit", "prepaid", "credit"]}, ["credit", "debit", "credit"]),
        ({"supportedTypes": ["prepaid"]}, []),
        ({"supportedCryptogramTypes": ["UCAF", "SIM-TAVV"]}, ["credit", "debit", "credit"]),
        ({"supportedCryptogramTypes": ["UCAF"]}, []),
        ({"supportedMethods": "tokenized-card", "nobodyKnows": {"this": 1}}, ["credit", "debit", "credit"]),
    ],
)
async def test_the_cards_that_fit_are_offered(house: House, data: dict[str, Any], types: list[str]) -> None:
    assert await house.fitting(**data) == types


@pytest.mark.parametrize(
    ("asked", "usage"),
    [
        ({}, "one-time"),
        ({"usageType": "one-time"}, "one-time"),
        ({"usageType": "card-on-file"}, "card-on-file"),
        ({"usageType": "recurring"}, "recurring"),
        ({"usageType": "for-ever"}, "one-time"),
        ({"usageType": 7}, "one-time"),
        ({"usageType": None}, "one-time"),
    ],
)
async def test_an_illegal_usage_is_a_single_one(house: House, asked: dict[str, Any], usage: str) -> None:
    assert (await house.offer(**asked)).json()["usage"] == usage


@pytest.mark.parametrize(
    ("total", "shown"),
    [
        (("12.5", "USD"), "12.50 USD"),
        (("12", "usd"), "12.00 USD"),
        (("0.01", "EUR"), "0.01 EUR"),
        (("1200", "JPY"), "1200 JPY"),
        (("1200.00", "JPY"), "1200 JPY"),
        (("1.234", "KWD"), "1.234 KWD"),
    ],
)
async def test_the_amount_is_shown_with_the_currencys_decimals(
    house: House, total: tuple[str, str], shown: str
) -> None:
    assert (await house.offer(total=total)).json()["amount"] == shown


@pytest.mark.parametrize(
    ("total", "field"),
    [
        (("0", "USD"), "total.value"),
        (("0.00", "USD"), "total.value"),
        (("-1.00", "USD"), "total.value"),
        (("1.001", "USD"), "total.value"),
        (("1.5", "JPY"), "total.value"),
        (("1e3", "USD"), "total.value"),
        ((".5", "USD"), "total.value"),
        (("1,00", "USD"), "total.value"),
        (("\u0661.00", "USD"), "total.value"),
        (("1.00\n", "USD"), "total.value"),
        (("10000000000.00", "USD"), "total.value"),
        (("", "USD"), "total.value"),
        ((1.0, "USD"), "total.value"),
        (("1.00", "XXX"), "currency"),
        (("1.00", ""), "total.currency"),
        (("1.00", None), "total.currency"),
    ],
)
async def test_an_amount_that_the_currency_does_not_have_is_refused(
    house: House, total: tuple[str, str], field: str
) -> None:
    answer = await house.offer(total=total)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"keyProviderURL": None}, "keyProviderURL"),
        ({"keyProviderURL": ""}, "keyProviderURL"),
        ({"keyProviderURL": "/payment-key"}, "keyProviderURL"),
        ({"keyProviderURL": 7}, "keyProviderURL"),
        ({"keyProviderURL": "https://evil.example/key"}, "keyProviderURL"),
        ({"keyProviderURL": "https://psp.example.evil.example/key"}, "keyProviderURL"),
        ({"keyProviderURL": "https://psp.example@evil.example/key"}, "keyProviderURL"),
        ({"keyProviderURL": "http://psp.example/key"}, "keyProviderURL"),
        ({"keyProviderURL": "https://psp.example/" + "k" * 200}, "keyProviderURL"),
        ({"supportedNetworks": "cardnet"}, "supportedNetworks"),
        ({"supportedNetworks": [7]}, "supportedNetworks"),
        ({"supportedNetworks": None}, "supportedNetworks"),
        ({"supportedNetworks": ["n"] * 65}, "supportedNetworks"),
        ({"supportedTypes": ["charge"]}, "supportedTypes"),
        ({"supportedTypes": {}}, "supportedTypes"),
        ({"supportedCryptogramTypes": [["SIM-TAVV"]]}, "supportedCryptogramTypes"),
        ({"payeeID": ""}, "payeeID"),
        ({"payeeID": "A" * 16}, "payeeID"),
        ({"payeeID": 7}, "payeeID"),
        ({"bindToRequest": "yes"}, "bindToRequest"),
        ({"draft": "2017"}, "draft"),
        ({"draft": []}, "draft"),
    ],
)
async def test_a_member_that_breaks_its_rule_is_named(house: House, data: dict[str, Any], field: str) -> None:
    answer = await house.offer(**data)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"methodData": None}, "methodData"),
        ({"methodData": []}, "methodData"),
        ({"methodData": [7, {"supportedMethods": "tokenized-card"}]}, "methodData"),
        ({"total": None}, "total"),
        ({"topOrigin": None}, "topOrigin"),
        ({"topOrigin": "http://shop.example"}, "topOrigin"),
        ({"topOrigin": "null"}, "topOrigin"),
        ({"paymentRequestId": ""}, "paymentRequestId"),
        ({"paymentRequestId": "x" * 257}, "paymentRequestId"),
    ],
)
async def test_a_request_that_lacks_its_parts_is_refused(house: House, changes: dict[str, Any], field: str) -> None:
    answer = await house.browser.post("/v1/offers", json=house.request() | changes)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"paymentRequestId": "\ud800"}, "paymentRequestId"),
        ({"topOrigin": "https://shop.example\udfff"}, "topOrigin"),
        ({"total": {"value": "1\ud800", "currency": "USD"}}, "total.value"),
        ({"total": {"value": "1", "currency": "US\ud800"}}, "total.currency"),
    ],
)
async def test_half_a_character_is_refused_with_its_members_name(
    house: House, changes: dict[str, Any], field: str
) -> None:
    body = json.dumps({"card": "any", "request": house.request(bindToRequest=True) | changes})
    [card, *_] = ids(await house.home())
    answer = await house.browser.post("/v1/tokenized-cards", content=body.replace("any", card))
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert "well-formed" in answer.json()["rule"]


@pytest.mark.parametrize("member", ["keyProviderURL", "payeeID"])
async def test_half_a_character_in_the_data_is_refused_too(house: House, member: str) -> None:
    body = json.dumps(house.request(**{member: "https://psp.example/\ud800"}))
    answer = await house.browser.post("/v1/offers", content=body)
    assert (answer.status_code, answer.json()["field"]) == (400, member)
    assert "well-formed" in answer.json()["rule"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 9000, b'"text"'])
async def test_a_body_that_is_no_object_is_refused(house: House, body: bytes) -> None:
    for path in ("/v1/offers", "/v1/tokenized-cards", "/v1/support"):
        answer = await house.browser.post(path, content=body)
        assert (answer.status_code, answer.json()["field"]) == (400, "body")


async def test_the_offer_says_who_asks_and_for_what(house: House) -> None:
    offer = (await house.offer(payeeID="MERCHANT0000001", usageType="recurring")).json()
    assert offer.pop("cards")
    assert offer == {
        "holder": "Ada",
        "topOrigin": house.shop,
        "amount": "12.50 USD",
        "usage": "recurring",
        "payee": "MERCHANT0000001",
        "keyProviderURL": f"{house.shop}/payment-key",
    }


@pytest.mark.parametrize(
    ("data", "supported"),
    [({}, True), ({"supportedTypes": ["prepaid"]}, False), ({"supportedNetworks": ["visa"]}, False)],
)
async def test_a_shop_that_asks_unseen_learns_what_wallets_can_and_nothing_of_this_ones_cards(
    house: House, data: dict[str, Any], supported: bool
) -> None:
    async with house.another_browser() as stranger:
        answer = await stranger.post("/v1/support", json=house.request(**data))
        assert answer.json() == {"supported": supported}
        assert "set-cookie" not in answer.headers
    assert not house.tsp.asked


async def test_a_browser_that_does_not_tell_what_is_asked_is_told_that_it_works(house: House) -> None:
    assert (await house.browser.post("/v1/support", json={"methodData": []})).json() == {"supported": True}
