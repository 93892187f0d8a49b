"""The token service's web face: what pages get there, and what it refuses them."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from joserfc.jwk import RSAKey
from patience import AMPLE_S, patient
from shop_page import HERE, MERCHANT, NOBODY, OTHER_MERCHANT, OTHER_SHOP, SECOND_SHOP, SHOP, ShopPage, opened, told
from tsp_provider import DEBIT, PAN, started

from cardnet.embedded_store import EmbeddedStore
from cardnet.encrypted_card import encrypt
from cardnet.testing import LocalNetwork
from cardnet.v1 import token_service_pb2 as ts

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page(store: EmbeddedStore) -> AsyncIterator[ShopPage]:
    async with opened(store) as page:
        yield page


# What pages get.


@pytest.mark.parametrize("pan", [PAN, DEBIT])
async def test_a_page_gets_a_token_and_what_it_may_show(page: ShopPage, pan: str) -> None:
    answer = await page.send(await page.encrypted(pan))
    assert answer.status_code == 201
    given = answer.json()
    assert len(given.pop("token")) == 32
    assert given == {"maskedNumber": f"••••{pan[-4:]}", "brand": "cardnet", "expiresAt": "2026-11-23T00:10:00Z"}


@pytest.mark.parametrize("code", ["", "123", "1234"])
async def test_a_security_code_may_be_there(page: ShopPage, code: str) -> None:
    assert (await page.send(await page.encrypted(code=code))).status_code == 201


async def test_the_key_is_the_one_that_cards_are_encrypted_to(page: ShopPage) -> None:
    key = await page.key()
    by_call = await page.tsp.requestor.GetEncryptionKey(ts.GetEncryptionKeyRequest())
    jwk = key["jwk"]
    assert key["kid"] == jwk["kid"] == by_call.key_id
    assert RSAKey.import_key(jwk).as_pem(private=False).decode() == by_call.public_key
    assert set(jwk) == {"kty", "n", "e", "alg", "use", "kid"}
    assert (jwk["alg"], jwk["use"]) == ("RSA-OAEP-256", "enc")


async def test_the_script_may_be_linked_by_any_page(page: ShopPage) -> None:
    answer = await page.client.get("/cardnet.js")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert "window.cardnet" in answer.text


@pytest.mark.parametrize("word", ["localStorage", "sessionStorage", "indexedDB", "document.cookie", "console."])
async def test_the_script_keeps_and_logs_nothing(page: ShopPage, word: str) -> None:
    assert word not in (await page.client.get("/cardnet.js")).text


async def test_the_front_page_says_what_this_origin_is_and_runs_nothing(page: ShopPage) -> None:
    answer = await page.client.get("/")
    assert answer.status_code == 200
    assert "For tests only. Never use a real card." in answer.text
    assert f"{HERE}/cardnet.js" in answer.text
    assert f'href="{SHOP}/"' in answer.text
    assert "<style" not in answer.text
    assert "<script" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert (await page.client.get("/style.css")).headers["content-type"].startswith("text/css")


# Whose pages.


@pytest.mark.parametrize("origin", [SHOP, SECOND_SHOP])
async def test_a_registered_origin_may_read_the_answers(page: ShopPage, origin: str) -> None:
    answers = [
        await page.client.get("/v1/key", headers={"origin": origin}),
        await page.send(await page.encrypted(), origin),
        await page.send("no JWE", origin),
    ]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == origin
        assert answer.headers["vary"] == "Origin"
        assert "access-control-allow-credentials" not in answer.headers


async def test_a_registered_origin_may_post_json(page: ShopPage) -> None:
    asks = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    answer = await page.client.options("/v1/tokens", headers={"origin": SHOP, **asks})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert answer.headers["access-control-allow-methods"] == "POST"
    assert answer.headers["access-control-allow-headers"] == "content-type"


@pytest.mark.parametrize("origin", [NOBODY, "null", f"{SHOP}/", f"{SHOP}.elsewhere.example", "http://localhost", ""])
async def test_an_origin_that_is_not_registered_is_refused(page: ShopPage, origin: str) -> None:
    said = {"origin": origin} if origin else {}
    answers = [
        await page.send(await page.encrypted(), origin),
        await page.client.options("/v1/tokens", headers=said),
    ]
    for answer in answers:
        assert answer.status_code == 403
        assert "not registered" in answer.json()["detail"]
        assert "access-control-allow-origin" not in answer.headers
    assert "access-control-allow-origin" not in (await page.client.get("/v1/key", headers=said)).headers


async def test_its_own_origin_is_no_shops(page: ShopPage) -> None:
    answer = await page.send(await page.encrypted(), HERE)
    assert (answer.status_code, answer.json()["reason"]) == (403, "ORIGIN_NOT_REGISTERED")


@pytest.mark.parametrize(
    ("origin", "merchant_id"),
    [(SHOP, OTHER_MERCHANT), (OTHER_SHOP, MERCHANT), (SHOP, "MERCHANT0000008")],
)
async def test_a_page_gets_tokens_for_its_own_merchant_alone(page: ShopPage, origin: str, merchant_id: str) -> None:
    answer = await page.send(await page.encrypted(), origin, merchantId=merchant_id)
    assert (answer.status_code, answer.json()["reason"]) == (403, "MERCHANT_NOT_YOURS")


async def test_pages_that_send_too_many_cards_have_to_wait(spare: EmbeddedStore) -> None:
    async with opened(spare) as page:
        page.tsp.clock.wall_s = lambda: 0.0  # type: ignore[method-assign]  # a moment in which all of them come
        for _ in range(200):
            assert (await page.send("no JWE at all")).status_code == 400
        for _ in range(200):
            assert (await page.send("a.b.c.d.e")).status_code == 400
        answer = await page.send(await page.encrypted())
        assert (answer.status_code, answer.json()["reason"]) == (429, "TOO_MANY_CARDS")
        others = await page.send(await page.encrypted(), OTHER_SHOP, merchantId=OTHER_MERCHANT)
        assert others.status_code == 201


# What a request must be.


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jose", ""]
)
async def test_only_json_is_taken(page: ShopPage, kind: str) -> None:
    answer = await page.post(b"{}", **{"content-type": kind})
    assert answer.status_code == 415
    assert answer.headers["access-control-allow-origin"] == SHOP


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        (b"", "body", "must be a JSON object in which no member comes twice"),
        (b"{", "body", "must be a JSON object in which no member comes twice"),
        (b"\xff\xfe", "body", "must be a JSON object in which no member comes twice"),
        (b"[]", "body", "must be a JSON object in which no member comes twice"),
        (b'"card"', "body", "must be a JSON object in which no member comes twice"),
        (b"[" * 10_000, "body", "must be a JSON object in which no member comes twice"),
        (
            b'{"serviceId": "001", "serviceId": "002"}',
            "body",
            "must be a JSON object in which no member comes twice",
        ),
        (b'{"number": "1"}', "body", "must have no other members than merchantId, serviceId, encryptedCard"),
        (b"{}", "merchantId", "must be given"),
        (b'{"merchantId": null}', "merchantId", "must be given"),
        (b'{"merchantId": 1}', "merchantId", "must be a string"),
        (b'{"merchantId": {"$ne": ""}}', "merchantId", "must be a string"),
        (b'{"merchantId": "M-1"}', "merchantId", "must be 1 to 15 letters, digits and spaces, and no card number"),
        (b'{"merchantId": "M1", "serviceId": "1"}', "serviceId", "must be 3 digits"),
        (b'{"merchantId": "M1", "serviceId": "001"}', "encryptedCard", "must be given"),
        (
            b'{"merchantId": "M1", "serviceId": "001", "encryptedCard": "a b"}',
            "encryptedCard",
            "must be a compact JWE of at most 4,096 characters",
        ),
    ],
)
async def test_a_body_that_is_not_as_it_should_be_is_refused(
    page: ShopPage, body: bytes, field: str, rule: str
) -> None:
    assert told(await page.post(body)) == (400, field, rule)


async def test_a_body_that_is_too_long_is_refused(page: ShopPage) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 1024

    headers = {"origin": SHOP, "content-type": "application/json"}
    said = await page.post(b" " * (16 * 1024 + 1))
    unsaid = await page.client.post("/v1/tokens", content=pieces(), headers=headers)
    assert (said.status_code, unsaid.status_code) == (413, 413)


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/tokens", 405), ("GET", "/v1", 404)])
async def test_what_is_not_there_is_said(page: ShopPage, method: str, path: str, status: int) -> None:
    assert (await page.client.request(method, path)).status_code == status


async def test_another_name_of_this_machine_is_not_answered(page: ShopPage) -> None:
    answer = await page.post(b"{}", host="elsewhere.example:8081")
    assert answer.status_code == 421


async def test_a_vault_that_is_sealed_says_so(spare: EmbeddedStore) -> None:
    async with opened(spare, kek="") as page:
        answer = await page.client.get("/v1/key", headers={"origin": SHOP})
        assert (answer.status_code, answer.json()["reason"]) == (503, "VAULT_SEALED")


async def test_without_an_origin_of_its_own_there_is_no_face(spare: EmbeddedStore) -> None:
    async with started(spare) as provider:
        assert provider.service.face is None


async def test_a_network_has_it_where_its_settings_say() -> None:
    async with LocalNetwork(web=True, in_process=True, fronts=True, settings=patient()) as network:
        shop = network.origins["merchant"]
        async with httpx.AsyncClient(
            base_url=network.origins["tsp"], headers={"origin": shop}, timeout=AMPLE_S
        ) as client:
            key = (await client.get("/v1/key")).json()
            public_key = RSAKey.import_key(key["jwk"]).as_pem(private=False).decode()
            card = encrypt(PAN, "3011", key["kid"], public_key)
            body = {"merchantId": MERCHANT, "serviceId": "001", "encryptedCard": card}
            answer = await client.post("/v1/tokens", json=body)
            assert answer.status_code == 201
            assert answer.headers["access-control-allow-origin"] == shop
