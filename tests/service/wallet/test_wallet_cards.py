"""The cards in a wallet: how they get in, what is kept of them, and how they go."""

import json

import pytest
from wallet_house import PASSCODE, House, ids

from cardnet.store import Store
from cardnet.test_cards import test_card as card_named
from services.wallet.domain import MOST_CARDS

CREDIT, EURO, STEP_UP = (card_named(name) for name in ("approved", "approved-eur", "step-up"))


async def test_a_new_wallet_has_three_test_cards(house: House) -> None:
    page = await house.home()
    assert len(ids(page)) == 3
    assert all(last_four in page for last_four in ("0012", "0010", "0517"))
    assert [asked.token_requestor_id for asked in house.tsp.asked] == ["00000000006"] * 3


async def test_a_browser_keeps_its_wallet_and_another_has_its_own(house: House) -> None:
    [first, *_] = ids(await house.home())
    await house.browser.delete(f"/v1/cards/{first}")
    assert first not in await house.home()
    async with house.another_browser() as other:
        assert first in (await other.get("/")).text


async def test_the_session_is_a_cookie_that_scripts_do_not_see(house: House) -> None:
    cookie = (await house.browser.get("/")).headers["set-cookie"]
    assert cookie.startswith("cardnet-wallet=")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie


async def test_a_session_that_somebody_else_chose_is_not_taken(house: House) -> None:
    chosen = "A" * 43
    answer = await house.browser.get("/", headers={"cookie": f"cardnet-wallet={chosen}"})
    assert chosen not in answer.headers["set-cookie"]
    assert len(ids(answer.text)) == 3


async def test_a_card_is_added_without_the_wallet_reading_it(house: House) -> None:
    await house.home()
    answer = await house.add(EURO.pan, "  Travel ")
    assert answer.status_code == 201
    assert answer.json() | {"id": ""} == {
        "id": "",
        "last4": EURO.last_four,
        "network": "cardnet",
        "type": "credit",
        "nickname": "Travel",
        "confirmed": True,
    }
    assert answer.json()["id"] in ids(await house.home())


async def test_a_card_that_is_added_again_is_there_once_under_its_new_name(house: House) -> None:
    before = ids(await house.home())
    await house.add(CREDIT.pan, "Renamed")
    page = await house.home()
    assert ids(page) == before
    assert "Renamed" in page


@pytest.mark.parametrize(("name", "expiry", "code"), [("approved", "3012", "14"), ("idv-declined", "3011", "05")])
async def test_a_card_that_its_bank_does_not_confirm_is_not_added(
    house: House, name: str, expiry: str, code: str
) -> None:
    before = ids(await house.home())
    answer = await house.add(card_named(name).pan, expiry=expiry)
    assert (answer.status_code, answer.json()["responseCode"]) == (422, code)
    assert ids(await house.home()) == before


async def test_what_the_token_service_finds_wrong_with_a_card_reaches_the_page(house: House) -> None:
    await house.home()
    body = {"encryptedCard": "a.b.c.d.e", "nickname": "Mine"}
    answer = await house.browser.post("/v1/cards", json=body)
    assert (answer.status_code, answer.json()["field"]) == (400, "encrypted_card")


@pytest.mark.parametrize(
    "nickname", ["", "   ", "x" * 33, "9999 0000 0000 0012", "１２３４５６７８９", "a\nb", 7, None]
)
async def test_a_cards_name_is_short_and_can_hold_no_card_number(house: House, nickname: object) -> None:
    await house.home()
    body = {"encryptedCard": await house.encrypted(EURO.pan), "nickname": nickname}
    answer = await house.browser.post("/v1/cards", json=body)
    assert (answer.status_code, answer.json()["field"]) == (400, "nickname")


async def test_a_card_that_waits_for_its_passcode_fits_nothing_until_it_came(house: House) -> None:
    await house.home()
    card = (await house.add(STEP_UP.pan)).json()
    assert not card["confirmed"]
    assert len(await house.fitting()) == 3
    wrong = await house.browser.post(f"/v1/cards/{card['id']}/passcode", json={"passcode": "000000"})
    assert (wrong.status_code, wrong.json()["responseCode"]) == (422, "55")
    assert len(await house.fitting()) == 3
    right = await house.browser.post(f"/v1/cards/{card['id']}/passcode", json={"passcode": PASSCODE})
    assert right.json()["confirmed"]
    assert len(await house.fitting()) == 4


async def test_a_card_that_waits_for_no_passcode_any_more_is_to_be_added_again(house: House) -> None:
    await house.home()
    card = (await house.add(STEP_UP.pan)).json()
    house.tsp.wrong_passcode = "78"
    answer = await house.browser.post(f"/v1/cards/{card['id']}/passcode", json={"passcode": "000000"})
    told = "This card waits for no passcode any more. Please add it again."
    assert (answer.status_code, answer.json()["detail"]) == (422, told)


@pytest.mark.parametrize("passcode", ["12345", "\uff11" * 6, 271828, None])
async def test_a_passcode_is_six_digits(house: House, passcode: object) -> None:
    await house.home()
    card = (await house.add(STEP_UP.pan)).json()
    answer = await house.browser.post(f"/v1/cards/{card['id']}/passcode", json={"passcode": passcode})
    assert (answer.status_code, answer.json()["field"]) == (400, "passcode")


async def test_a_card_is_removed_and_removing_it_again_is_harmless(house: House) -> None:
    [first, *others] = ids(await house.home())
    for _ in range(2):
        assert (await house.browser.delete(f"/v1/cards/{first}")).status_code == 204
        assert ids(await house.home()) == others


async def test_an_empty_wallet_says_so(house: House) -> None:
    for id_ in ids(await house.home()):
        await house.browser.delete(f"/v1/cards/{id_}")
    page = await house.home()
    assert not ids(page)
    assert "no cards in this wallet" in page


async def test_a_wallet_holds_only_so_many_cards(house: House, admin: Store) -> None:
    await house.home()
    [key] = await admin.command("KEYS", "wallet:*")
    [card, *_] = json.loads(await admin.command("GET", key))
    full = json.dumps([card | {"id": f"{number:016x}"} for number in range(MOST_CARDS)])
    await admin.command("SET", key, full)
    answer = await house.add(EURO.pan)
    assert (answer.status_code, answer.json()["reason"]) == (409, "WALLET_FULL")


async def test_without_a_wallet_nothing_is_added_or_removed(house: House) -> None:
    for answer in (
        await house.add(EURO.pan),
        await house.browser.delete("/v1/cards/0123456789abcdef"),
        await house.browser.post("/v1/cards/0123456789abcdef/passcode", json={"passcode": PASSCODE}),
    ):
        assert (answer.status_code, answer.json()["reason"]) == (404, "NO_WALLET")


async def test_the_store_holds_no_card_number_and_no_tokens(house: House, admin: Store) -> None:
    await house.home()
    await house.add(EURO.pan)
    [key] = await admin.command("KEYS", "*")
    cards = await admin.command("GET", key)
    kept = key + cards
    assert b"9999" not in cards  # which every number begins with; the key, a digest, may hold it by chance
    assert not any(number.encode() in kept for number in (CREDIT.pan, EURO.pan))
    assert house.browser.cookies["cardnet-wallet"].encode() not in kept
    assert 0 < await admin.command("TTL", key) <= 30 * 24 * 3600


async def test_while_the_token_service_is_away_the_page_says_so_and_keeps_nothing(house: House, admin: Store) -> None:
    house.tsp.silent = True
    answer = await house.browser.get("/")
    assert answer.status_code == 503
    assert "set-cookie" not in answer.headers
    assert not await admin.command("KEYS", "*")
    house.tsp.silent = False
    assert len(ids(await house.home())) == 3
