"""Who gets a wallet, for how long it is kept, and the cookie that leads to it."""

import pytest
from wallet_house import House, ids, started

from cardnet.embedded_store import EmbeddedStore
from cardnet.store import Store

HOUR, MONTH = 3600, 30 * 24 * 3600
FETCHED = ("empty", "image", "iframe", "script", "")


async def _kept_s(admin: Store) -> int:
    [key] = await admin.command("KEYS", "*")
    return int(await admin.command("TTL", key))


@pytest.mark.parametrize("kind", FETCHED)
async def test_a_page_that_merely_fetches_the_wallet_has_none_made(house: House, admin: Store, kind: str) -> None:
    answer = await house.browser.get("/", headers={"sec-fetch-dest": kind})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert not await admin.command("KEYS", "*")
    assert not house.tsp.asked


@pytest.mark.parametrize("headers", [{"sec-fetch-dest": "document"}, {}])
async def test_who_opens_the_page_gets_a_wallet(house: House, headers: dict[str, str]) -> None:
    assert len(ids((await house.browser.get("/", headers=headers)).text)) == 3


async def test_who_has_a_wallet_may_fetch_its_page(house: House) -> None:
    cards = ids(await house.home())
    assert ids((await house.browser.get("/", headers={"sec-fetch-dest": "empty"})).text) == cards


async def test_who_comes_to_pay_gets_a_wallet(house: House, admin: Store) -> None:
    answer = await house.browser.post("/v1/offers", json=house.request(), headers={"sec-fetch-dest": "empty"})
    assert len(answer.json()["cards"]) == 3
    assert 0 < await _kept_s(admin) <= HOUR


async def test_a_wallet_that_nobody_uses_is_forgotten_after_an_hour(house: House, admin: Store) -> None:
    await house.home()
    await house.home()
    assert 0 < await _kept_s(admin) <= HOUR


async def test_a_wallet_that_is_paid_with_is_kept(house: House, admin: Store) -> None:
    cards = ids(await house.home())
    assert (await house.pay()).status_code == 200
    assert HOUR < await _kept_s(admin) <= MONTH
    assert ids(await house.home()) == cards


async def test_a_payment_that_is_refused_uses_no_wallet(house: House, admin: Store) -> None:
    house.tsp.refusal = "62"
    await house.pay()
    assert 0 < await _kept_s(admin) <= HOUR


async def test_a_wallet_whose_cards_change_is_kept(house: House, admin: Store) -> None:
    [first, *_] = ids(await house.home())
    await house.browser.delete(f"/v1/cards/{first}")
    assert HOUR < await _kept_s(admin) <= MONTH


@pytest.mark.parametrize(("origin", "secure"), [("https://wallet.example", True), ("http://localhost:8102", False)])
async def test_the_cookie_is_this_hosts_alone_and_goes_nowhere_in_the_clear(
    wallet_store: EmbeddedStore, origin: str, secure: bool
) -> None:
    async with started(wallet_store, origin=origin) as house:
        for answer in (await house.browser.get("/"), await house.offer()):
            name_and_value, *attributes = answer.headers["set-cookie"].split("; ")
            assert name_and_value.startswith("cardnet-wallet=")
            assert ("Secure" in attributes) is secure
            assert "Path=/" in attributes
            assert not any(attribute.startswith("Domain") for attribute in attributes)
