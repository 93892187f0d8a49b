"""A card as a page sends it: encrypted in one way alone, and judged member by member."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from joserfc import jwe
from joserfc.jwk import RSAKey
from shop_page import ShopPage, opened, told
from tsp_provider import DEBIT, PAN, UNKNOWN_TOKEN

from cardnet.embedded_store import EmbeddedStore
from cardnet.encrypted_card import decrypt_typed
from cardnet.errors import InvalidField
from cardnet.v1 import token_service_pb2 as ts

pytestmark = pytest.mark.asyncio(loop_scope="module")

REAL_LOOKING = "4111111111111111"
HEADER = {"alg": "RSA-OAEP-256", "enc": "A256GCM"}
UNREADABLE = "must be a card encrypted to this token service's key: a compact JWE with RSA-OAEP-256 and A256GCM"
CARD = {"pan": PAN, "pan_expiry": "3011"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page(store: EmbeddedStore) -> AsyncIterator[ShopPage]:
    async with opened(store) as page:
        yield page


async def sealed(page: ShopPage, content: Any, header: dict[str, str] | None = None) -> str:
    """A JWE with any content and header, to the service's own key."""
    key = await page.key()
    protected = {**HEADER, "kid": key["kid"], **(header or {})}
    text = content if isinstance(content, str) else json.dumps(content)
    algorithms = [protected["alg"], protected["enc"], "DEF"]
    return jwe.encrypt_compact(protected, text, RSAKey.import_key(key["jwk"]), algorithms=algorithms)


def coded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


# What a card must be.


@pytest.mark.parametrize(
    ("pan", "expiry", "code", "field", "rule"),
    [
        ("9999000000000013", "3011", "", "number", "must end in a valid check digit"),
        ("99990000", "3011", "", "number", "must be 13 to 19 digits"),
        ("9999 0000 0000 0012", "3011", "", "number", "must be 13 to 19 digits"),
        (REAL_LOOKING, "3011", "", "number", "never use a real card here"),
        (UNKNOWN_TOKEN, "3011", "", "number", "this one is in a token range"),
        (PAN, "3013", "", "expiry", "must be a month from 01 to 12 and a year"),
        (PAN, "30-11", "", "expiry", "must be a month from 01 to 12 and a year"),
        (PAN, "3011\n", "", "expiry", "must be a month from 01 to 12 and a year"),
        (PAN, "2610", "", "expiry", "must not be in the past"),
        (PAN, "3011", "12", "securityCode", "must be 3 or 4 digits"),
        (PAN, "3011", "12345", "securityCode", "must be 3 or 4 digits"),
        (PAN, "3011", "12a", "securityCode", "must be 3 or 4 digits"),
    ],
)
async def test_what_is_wrong_with_a_card_is_told_by_its_field(
    page: ShopPage, pan: str, expiry: str, code: str, field: str, rule: str
) -> None:
    answer = await page.send(await page.encrypted(pan, expiry, code))
    status, named, broken = told(answer)
    assert (status, named) == (400, field)
    assert rule in broken
    assert pan not in answer.text


async def test_a_card_is_good_to_the_end_of_its_month(page: ShopPage) -> None:
    assert (await page.send(await page.encrypted(expiry="2611"))).status_code == 201


# What the encryption must be.


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "RSA-OAEP"},
        {"enc": "A128GCM"},
        {"enc": "A256CBC-HS512"},
        {"zip": "DEF"},
        {"cty": "JWT"},
        {"kid": "another"},
    ],
)
async def test_another_encryption_is_refused(page: ShopPage, header: dict[str, str]) -> None:
    answer = await page.send(await sealed(page, CARD, header))
    assert told(answer) == (400, "encryptedCard", UNREADABLE)


@pytest.mark.parametrize("member", ["alg", "enc", "kid"])
async def test_a_header_with_a_member_twice_is_refused(page: ShopPage, member: str) -> None:
    header = {**HEADER, "kid": (await page.key())["kid"]}
    twice = json.dumps(header)[:-1] + f', "{member}": "{header[member]}"}}'
    _, _, rest = (await sealed(page, CARD)).partition(".")
    assert told(await page.send(f"{coded(twice)}.{rest}")) == (400, "encryptedCard", UNREADABLE)


@pytest.mark.parametrize(
    "content",
    [
        "no JSON",
        "[]",
        {},
        {"pan": PAN},
        {**CARD, "pan": int(PAN)},
        {**CARD, "security_code": 123},
        {**CARD, "security_code": ""},
        {**CARD, "name": "A B"},
        f'{{"pan": "{PAN}", "pan": "{DEBIT}", "pan_expiry": "3011"}}',
        "[" * 2_500,
    ],
    ids=["text", "array", "empty", "no expiry", "number", "code", "empty code", "more", "twice", "deep"],
)
async def test_a_content_that_is_no_card_is_refused(page: ShopPage, content: Any) -> None:
    answer = await page.send(await sealed(page, content))
    assert told(answer) == (400, "encryptedCard", UNREADABLE)


async def test_a_jwe_that_was_altered_is_refused(page: ShopPage) -> None:
    parts = (await page.encrypted()).split(".")
    parts[3] = ("B" if parts[3][0] != "B" else "C") + parts[3][1:]
    assert told(await page.send(".".join(parts))) == (400, "encryptedCard", UNREADABLE)


async def test_a_card_with_a_security_code_is_none_to_put_on_file(page: ShopPage) -> None:
    card = await page.encrypted(code="123")
    with pytest.raises(InvalidField, match="encrypted_card: must be a card encrypted to this token service's key"):
        await page.tsp.requestor.RequestToken(
            ts.RequestTokenRequest(token_requestor_id="00000000001", encrypted_card=card)
        )


async def test_a_typed_card_never_shows_itself(page: ShopPage) -> None:
    keys = (await page.tsp.behind._keys.card_key()).private
    assert PAN not in f"{decrypt_typed(await page.encrypted(), keys)!r}"
