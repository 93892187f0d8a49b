"""What a browser token is good for: for its merchant, its service and its origin, once, for some minutes."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from patience import STORE_TIMEOUT_S
from shop_page import MERCHANT, OTHER_MERCHANT, OTHER_SHOP, SECOND_SHOP, SHOP, ShopPage, opened
from tsp_provider import ON_FILE, ONE_TIME, OTHERS, keys_of, use

from cardnet.cde.v1 import token_operator_pb2 as op
from cardnet.config import SettingMissing
from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import InvalidField, Overloaded
from cardnet.store import Store
from cardnet.v1 import token_service_pb2 as ts
from cardnet.v1.token_lifecycle_pb2 import TokenName
from cardnet.v1.token_pb2 import TOKEN_STATE_ACTIVE, TOKEN_STATE_INACTIVE
from services.tsp.browser.origins import Origins
from services.tsp.browser.tokens import KEPT_AFTER_S, checked_life_s

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEVER_GIVEN = "A" * 32
LIFE_S = 1200


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page(store: EmbeddedStore) -> AsyncIterator[ShopPage]:
    async with opened(store) as page:
        yield page


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def behind(store: EmbeddedStore, page: ShopPage) -> AsyncIterator[Store]:  # noqa: ARG001 - it empties the store
    admin = Store(store.admin_url, owner="test", timeout_s=STORE_TIMEOUT_S)
    yield admin
    await admin.close()


# What it is good for.


async def test_a_browser_token_is_exchanged_for_a_token_of_its_card(page: ShopPage) -> None:
    pan = page.tsp.new_pan()
    issued = await page.exchange(await page.token(pan))
    assert issued.response_code == "00"
    assert issued.state == TOKEN_STATE_ACTIVE
    assert issued.pan_last_four == pan[-4:]
    by_card = await page.tsp.request_token(pan)
    assert issued.payment_token == by_card.payment_token


async def test_every_browser_token_is_another_one(page: ShopPage) -> None:
    pan = page.tsp.new_pan()
    tokens = {await page.token(pan) for _ in range(5)}
    assert len(tokens) == 5
    assert all(len(token) == 32 and token.isascii() and token.isalnum() for token in tokens)


async def test_who_asks_again_for_the_same_gets_the_same_token(page: ShopPage) -> None:
    token = await page.token()
    answers = [await page.exchange(token, ONE_TIME) for _ in range(2)]
    assert answers[0] == answers[1]


async def test_who_asks_again_for_the_same_gets_the_same_one_time_token_although_it_was_spent(page: ShopPage) -> None:
    token = await page.token()
    issued = await page.exchange(token, ONE_TIME)
    assert (await page.tsp.vault.Detokenise(use(issued))).pan.endswith(issued.pan_last_four)
    assert await page.exchange(token, ONE_TIME) == issued


async def test_two_who_ask_for_the_same_at_once_get_the_same_token(page: ShopPage) -> None:
    token = await page.token()
    answers = await asyncio.gather(*(page.exchange(token, ONE_TIME) for _ in range(8)))
    assert {answer.response_code for answer in answers} == {"00"}
    assert len({answer.payment_token for answer in answers}) == 1


async def test_of_many_who_want_it_for_different_things_one_gets_it(page: ShopPage) -> None:
    token = await page.token()
    asked = (page.exchange(token, used_for=f"order-{number}") for number in range(8))
    assert sorted([answer.response_code for answer in await asyncio.gather(*asked)]) == ["00"] + ["65"] * 7


# What it is not good for.


async def test_a_browser_token_is_good_for_one_thing(page: ShopPage) -> None:
    token = await page.token()
    assert (await page.exchange(token)).response_code == "00"
    assert await page.exchange(token, used_for="order-2") == ts.RequestTokenResponse(response_code="65")


async def test_a_browser_token_that_one_requestor_used_is_used_up_for_the_next(page: ShopPage) -> None:
    token = await page.token()
    assert (await page.exchange(token, ONE_TIME)).response_code == "00"
    assert (await page.exchange(token, ON_FILE)).response_code == "65"


async def test_a_refusal_by_the_issuer_uses_it_up(page: ShopPage) -> None:
    pan = page.tsp.new_pan()
    page.tsp.bank.answers[pan, "3011"] = "05"
    token = await page.token(pan)
    assert (await page.exchange(token)).response_code == "05"
    assert (await page.exchange(token, used_for="order-2")).response_code == "65"


async def test_an_issuer_that_was_not_there_may_be_asked_again_for_the_same(page: ShopPage) -> None:
    pan = page.tsp.new_pan()
    page.tsp.bank.answers[pan, "3011"] = "05"
    token = await page.token(pan)
    assert (await page.exchange(token)).response_code == "05"
    page.tsp.bank.answers[pan, "3011"] = "00"
    assert (await page.exchange(token)).response_code == "00"


async def test_a_step_up_asks_the_issuer_again_for_another_passcode(page: ShopPage) -> None:
    token = await page.token()
    page.tsp.bank.decision = ts.TOKEN_DECISION_STEP_UP
    try:
        answers = [await page.exchange(token) for _ in range(2)]
    finally:
        page.tsp.bank.decision = ts.TOKEN_DECISION_APPROVED
    assert [answer.state for answer in answers] == [TOKEN_STATE_INACTIVE] * 2
    assert [answer.decision for answer in answers] == [ts.TOKEN_DECISION_STEP_UP] * 2
    assert page.tsp.bank.references[-2:] == [answers[0].token_reference_id] * 2


@pytest.mark.parametrize("changes", [{"service_id": "002"}, {"origin": SECOND_SHOP}, {"origin": OTHER_SHOP}])
async def test_its_owner_is_told_that_it_is_another_services_or_origins(
    page: ShopPage, changes: dict[str, str]
) -> None:
    token = await page.token()
    assert await page.exchange(token, **changes) == ts.RequestTokenResponse(response_code="57")
    assert (await page.exchange(token)).response_code == "00"  # and it was not used up by that


async def test_its_owner_is_told_that_it_is_another_merchants(page: ShopPage) -> None:
    branch = op.Requestor(
        identity="merchant",
        merchant_ids=["MERCHANT0000009"],
        merchant_domain="shop.example",
        pos_entry_modes=["POS_ENTRY_MODE_ECOMMERCE"],
        usage="TOKEN_USAGE_CARD_ON_FILE",
        location="TOKEN_LOCATION_REMOTE",
    )
    registered = await page.tsp.operator.RegisterRequestor(op.RegisterRequestorRequest(requestor=branch))
    other = registered.requestor.token_requestor_id
    assert (await page.exchange(await page.token(), other)).response_code == "57"
    theirs = await page.token(merchantId="MERCHANT0000009")
    assert (await page.exchange(theirs, other)).response_code == "00"


async def test_a_strangers_token_and_one_that_never_was_are_answered_alike(page: ShopPage) -> None:
    fourteen = ts.RequestTokenResponse(response_code="14")
    fresh, used = await page.token(), await page.token()
    await page.exchange(used)
    for token in (NEVER_GIVEN, fresh, used):
        answer = await page.exchange(token, OTHERS, "other-merchant", service_id="002", origin=OTHER_SHOP)
        assert answer == fourteen
    assert await page.exchange(NEVER_GIVEN) == fourteen


async def test_the_other_merchant_has_tokens_of_its_own(page: ShopPage) -> None:
    token = await page.token(origin=OTHER_SHOP, merchantId=OTHER_MERCHANT)
    assert (await page.exchange(token, OTHERS, "other-merchant", origin=OTHER_SHOP)).response_code == "00"


async def test_who_looks_for_browser_tokens_is_slowed_down(spare: EmbeddedStore) -> None:
    async with opened(spare, most_probes=3) as page:
        for _ in range(3):
            await page.exchange(NEVER_GIVEN)
        with pytest.raises(Overloaded):
            await page.exchange(NEVER_GIVEN)


@pytest.mark.parametrize("more", [{"encrypted_card": "a.b.c.d.e"}, {"token": TokenName(token_reference_id="x")}])
async def test_a_card_is_named_in_one_way(page: ShopPage, more: dict[str, Any]) -> None:
    named = ts.BrowserToken(value=await page.token(), service_id="001", origin=SHOP, used_for="order-1")
    request = ts.RequestTokenRequest(token_requestor_id=ON_FILE, browser_token=named, **more)
    with pytest.raises(InvalidField, match="exactly one of encrypted_card, token and browser_token"):
        await page.tsp.requestor.RequestToken(request)


# How long it is good.


async def test_a_browser_token_expires(spare: EmbeddedStore) -> None:
    async with opened(spare, browser_token_life_s=LIFE_S) as page:
        fresh, repeated = await page.token(), await page.token()
        page.tsp.clock.advance(timedelta(seconds=LIFE_S - 1))
        assert (await page.exchange(repeated)).response_code == "00"
        page.tsp.clock.advance(timedelta(seconds=1))
        assert await page.exchange(fresh) == ts.RequestTokenResponse(response_code="54")
        assert (await page.exchange(repeated)).response_code == "54"
        stranger = await page.exchange(fresh, OTHERS, "other-merchant")
        assert stranger == ts.RequestTokenResponse(response_code="14")


async def test_the_store_forgets_a_card_an_hour_after_its_token_expired(page: ShopPage, behind: Store) -> None:
    token = await page.token()
    rows = await keys_of(behind, "tsp:{*}:browser")
    assert rows
    await page.exchange(token)
    for row in rows:
        assert 0 < await behind.command("PTTL", row) <= (LIFE_S + KEPT_AFTER_S) * 1000


@pytest.mark.parametrize("life_s", [0, -1, 86_401])
async def test_a_life_that_no_key_outlasts_is_refused_at_the_start(life_s: int) -> None:
    with pytest.raises(SettingMissing, match="CARDNET_TSP_BROWSER_TOKEN_LIFE_S must be from 1 to 86,400"):
        checked_life_s(life_s)


# What the store has of it.


async def test_the_store_has_neither_token_nor_card_nor_code(page: ShopPage, behind: Store) -> None:
    pan, before = page.tsp.new_pan(), set(await keys_of(behind, "tsp:{*}:browser"))
    answers = [await page.send(await page.encrypted(pan, code="9753")) for _ in range(4)]
    tokens = [answer.json()["token"] for answer in answers]
    rows = {name: await behind.command("GET", name) for name in await keys_of(behind, "tsp:{*}:browser")}
    everything = b" ".join([*rows, *rows.values()])
    for secret in (*tokens, pan, pan[:12], MERCHANT):
        assert secret.encode() not in everything
    # Chance puts any four digits into a fingerprint now and then, but not into each of these.
    assert not all(b"9753" in name + row for name, row in rows.items() if name not in before)


@pytest.mark.parametrize("purpose", ["HISTORY", "DATA", "TOKEN_INDEX", "CARD"])
async def test_a_rotation_of_keys_leaves_browser_tokens_good(page: ShopPage, purpose: str) -> None:
    token, card = await page.token(), await page.encrypted(page.tsp.new_pan())
    async for _ in page.tsp.operator.RotateKey(op.RotateKeyRequest(purpose=f"KEY_PURPOSE_{purpose}")):
        pass
    assert (await page.exchange(token)).response_code == "00"
    assert (await page.send(card)).status_code == 201  # encrypted to the key before, which is for reading still


async def test_a_row_that_was_put_in_anothers_place_is_of_no_use(page: ShopPage, behind: Store) -> None:
    before = set(await keys_of(behind, "tsp:{*}:browser"))
    mine = await page.token()
    (my_row,) = set(await keys_of(behind, "tsp:{*}:browser")) - before
    await page.token()
    (their_row,) = set(await keys_of(behind, "tsp:{*}:browser")) - before - {my_row}
    await behind.command("SET", my_row, await behind.command("GET", their_row), "KEEPTTL")
    with pytest.raises(Exception, match="not as the vault wrote it"):
        await page.exchange(mine)


# Whose origins are whose.


async def test_origins_are_registered_to_identities() -> None:
    origins = Origins(f"merchant={SHOP}, merchant={SECOND_SHOP},other-merchant={OTHER_SHOP},")
    assert [origins.identity_of(origin) for origin in (SHOP, SECOND_SHOP, OTHER_SHOP, "https://nobody.example")] == [
        "merchant",
        "merchant",
        "other-merchant",
        "",
    ]


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        (SHOP, "an identity is merchant"),
        (f"network={SHOP}", "an identity is merchant"),
        (f"Merchant={SHOP}", "an identity is merchant"),
        ("merchant=", "an origin is https"),
        ("merchant=http://shop.example", "an origin is https"),
        (f"merchant={SHOP}/", "an origin is https"),
        ("merchant=https://shop.example:443", "an origin is https"),
        ("merchant=null", "an origin is https"),
        (f"merchant={SHOP},other-merchant={SHOP}", "an origin belongs to one identity alone"),
    ],
)
async def test_origins_that_nobody_can_be_known_by_are_refused_at_the_start(setting: str, rule: str) -> None:
    with pytest.raises(SettingMissing, match=f"CARDNET_TSP_ORIGINS must be .*{rule}"):
        Origins(setting)


async def test_a_backup_has_no_browser_tokens(page: ShopPage, behind: Store) -> None:
    await page.token()
    rows = await keys_of(behind, "tsp:{*}:browser")
    copy = b"".join([part.rows async for part in page.tsp.operator.BackUpVault(op.BackUpVaultRequest())])
    assert rows
    assert b":record" in copy
    assert not [row for row in rows if row in copy]
