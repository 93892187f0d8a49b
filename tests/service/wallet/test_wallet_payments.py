"""Paying: what the token service provider is asked, and what the shop's page and the payee are told."""

from typing import Any

import pytest
from wallet_house import CRYPTOGRAM, PAR, START, House, ids

from cardnet.payment_request import CLAIMS, Claims
from cardnet.v1.token_pb2 import TokenUsage


async def test_the_page_is_told_what_to_show_and_what_to_encrypt(house: House) -> None:
    given = (await house.pay()).json()
    assert given["clear"] == {
        "displayLast4": "0012",
        "displayExpiryMonth": "11",
        "displayExpiryYear": "2030",
        "displayNetwork": "cardnet",
    }
    number = given["claims"].pop("cardNumber")
    assert number.startswith("99994000")
    assert given["claims"] == {
        "expiryMonth": "12",
        "expiryYear": "2028",
        "cryptogram": CRYPTOGRAM,
        "typeOfCryptogram": "SIM-TAVV",
        "trid": "00000000004",
        "eci": "07",
    }


async def test_who_confirms_that_it_is_them_pays_as_authenticated(house: House) -> None:
    assert (await house.pay(userAuthenticated=True)).json()["claims"]["eci"] == "05"
    assert (await house.pay(userAuthenticated=False)).json()["claims"]["eci"] == "07"


async def test_the_claims_bind_the_card_to_the_request_where_that_is_asked(house: House) -> None:
    request = house.request(total=("12.5", "USD"), bindToRequest=True)
    first = (await house.pay(request)).json()["claims"]
    second = (await house.pay(request)).json()["claims"]
    now = int(START.timestamp())
    assert {name: first[name] for name in ("paymentRequestId", "topOrigin", "total", "iat", "exp")} == {
        "paymentRequestId": "order-7",
        "topOrigin": house.shop,
        "total": {"currency": "USD", "value": "12.50"},
        "iat": now,
        "exp": now + 300,
    }
    assert first["jti"] != second["jti"]


@pytest.mark.parametrize(
    ("total", "read"),
    [
        (("9.5", "USD"), "9.50 USD"),
        (("12", "usd"), "12.00 USD"),
        (("1200.00", "JPY"), "1200 JPY"),
        (("1.2", "KWD"), "1.200 KWD"),
    ],
)
async def test_a_shop_can_read_the_total_however_its_page_wrote_it(
    house: House, total: tuple[str, str], read: str
) -> None:
    given = (await house.pay(house.request(total=total, bindToRequest=True))).json()["claims"]
    claims = Claims.read({name: given[name] for name in CLAIMS})
    assert claims
    assert str(claims.total) == read


async def test_the_last_drafts_members_come_where_they_are_asked_for(house: House) -> None:
    clear = (await house.pay(house.request(draft="2018-10"))).json()["clear"]
    assert clear["par"] == PAR
    assert clear["tokenReferenceID"].startswith("shop-")
    assert clear["eci"] == "07"


@pytest.mark.parametrize(
    ("data", "usage", "payee"),
    [
        ({}, TokenUsage.TOKEN_USAGE_ONE_TIME, ""),
        (
            {"usageType": "card-on-file", "payeeID": "MERCHANT0000001"},
            TokenUsage.TOKEN_USAGE_CARD_ON_FILE,
            "MERCHANT0000001",
        ),
        ({"usageType": "recurring"}, TokenUsage.TOKEN_USAGE_RECURRING, ""),
    ],
)
async def test_the_token_service_is_asked_for_what_the_shop_asked(
    house: House, data: dict[str, Any], usage: int, payee: str
) -> None:
    await house.pay(house.request(total=("1.234", "KWD"), **data), userAuthenticated=True)
    asked = house.tsp.asked[-1]
    assert asked.token_requestor_id == "00000000006"
    assert asked.token_reference_id == "ref-approved"
    assert asked.key_provider_url == f"{house.shop}/payment-key"
    assert (asked.usage, asked.payee_id) == (usage, payee)
    assert (asked.amount_minor, asked.currency) == (1234, "414")
    assert asked.user_authenticated


async def test_asking_twice_is_harmless(house: House) -> None:
    first, second = (await house.pay()).json(), (await house.pay()).json()
    assert first["clear"] == second["clear"]
    assert first["claims"].keys() == second["claims"].keys()


@pytest.mark.parametrize(
    ("code", "notice"),
    [
        ("62", "The payment was declined: the card cannot be used now. Please ask your bank."),
        ("57", "This wallet may not pay this shop: the shop's key is not registered."),
        ("05", "The payment was declined. Please use another card."),
        ("ZZ", "The payment was declined. Please use another card."),
    ],
)
async def test_a_refusal_is_an_answer(house: House, code: str, notice: str) -> None:
    house.tsp.refusal = code
    answer = await house.pay()
    assert answer.status_code == 200
    assert answer.json() == {"status": "declined", "responseCode": code, "notice": notice}


async def test_another_persons_card_is_nobodys(house: House) -> None:
    [card, *_] = ids(await house.home())
    body = {"card": card, "request": house.request()}
    async with house.another_browser() as stranger:
        answer = await stranger.post("/v1/tokenized-cards", json=body)
        assert (answer.status_code, answer.json()["reason"]) == (404, "NO_WALLET")
        await stranger.get("/")
        await stranger.delete(f"/v1/cards/{card}")
        answer = await stranger.post("/v1/tokenized-cards", json=body)
        assert (answer.status_code, answer.json()["reason"]) == (404, "CARD_NOT_IN_WALLET")


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"userAuthenticated": "yes"}, "userAuthenticated"), ({"request": None}, "request")],
)
async def test_what_the_page_says_is_held_to_its_rules(house: House, changes: dict[str, Any], field: str) -> None:
    [card, *_] = ids(await house.home())
    body = {"card": card, "request": house.request(), **changes}
    answer = await house.browser.post("/v1/tokenized-cards", json=body)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


async def test_a_card_that_does_not_fit_is_not_paid_with(house: House) -> None:
    [credit, *_] = ids(await house.home())
    before = len(house.tsp.asked)
    body = {"card": credit, "request": house.request(supportedTypes=["debit"])}
    answer = await house.browser.post("/v1/tokenized-cards", json=body)
    assert (answer.status_code, answer.json()["field"]) == (400, "card")
    assert len(house.tsp.asked) == before


async def test_a_token_service_that_is_away_is_no_refusal(house: House) -> None:
    await house.home()
    house.tsp.silent = True
    assert (await house.pay()).status_code == 503


async def test_an_answer_without_a_cryptogram_counts_as_none(house: House) -> None:
    house.tsp.cryptogram = ""
    answer = await house.pay()
    assert (answer.status_code, answer.json()["reason"]) == (503, "ANSWER_INCOMPLETE")
