"""What other sites, and answers that were tampered with, come to."""

import base64
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import rsa
from elsewhere import Elsewhere, elsewhere
from payee import Payee
from person import Person
from playwright.async_api import Route
from shopping import confirm, open_wallet, sign_in

from cardnet.errors import InvalidField
from cardnet.test_cards import test_card
from cardnet.v1.merchant_pb2 import CheckoutRequest, TokenizedCard
from cardnet.v1.merchant_pb2_grpc import MerchantStub

CARD = test_card("approved")

POST = """([url, body]) => {
    const form = Object.assign(document.createElement("form"), { method: "post", action: url });
    for (const [name, value] of new URLSearchParams(body)) {
        form.append(Object.assign(document.createElement("input"), { name, value }));
    }
    document.body.append(form);
    form.submit();
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def there() -> AsyncIterator[Elsewhere]:
    async with elsewhere() as site:
        yield site


async def posted_from(person: Person, there: Elsewhere, url: str, body: str) -> int:
    """The status of a post that a page of another site makes, with the browser's cookies."""
    await person.page.goto(there.origin)
    async with person.page.expect_navigation() as led:
        await person.page.evaluate(POST, [url, body])
    answer = await led.value
    assert answer.url == url
    return answer.status


@pytest.mark.parametrize("path", ["/orders", "/sign-in", "/sign-out"])
async def test_no_other_site_posts_to_the_shop(person: Person, there: Elsewhere, path: str) -> None:
    await sign_in(person)
    assert await posted_from(person, there, f"{person.shop}{path}", "customer=jonas") == 403
    await person.page.goto(person.shop)
    assert await person.page.locator("#customer-name").inner_text() == "Mina Okafor"


async def test_no_other_site_posts_to_token_service_or_wallet(person: Person, there: Elsewhere) -> None:
    await person.page.goto(person.wallet)
    for url in (f"{person.tokens}/v1/tokens", f"{person.wallet}/v1/offers", f"{person.wallet}/v1/tokenized-cards"):
        assert await posted_from(person, there, url, "card=1") == 403


async def test_no_face_takes_a_body_without_end(person: Person) -> None:
    for origin, path in ((person.shop, "/orders"), (person.wallet, "/v1/offers")):
        await person.page.goto(origin)
        status = await person.page.evaluate(
            "async (url) => (await fetch(url, { method: 'POST', body: 'x'.repeat(20000) })).status", f"{origin}{path}"
        )
        assert status == 413


async def test_a_method_whose_manifest_names_another_sites_wallet_is_not_supported(
    person: Person, there: Elsewhere
) -> None:
    there.manifest = {"default_applications": [f"{person.wallet}/app/manifest.json"]}
    await person.page.goto(there.origin)
    error = await person.page.evaluate(
        """async (method) => {
            const total = { label: "Total", amount: { currency: "USD", value: "1.00" } };
            return new PaymentRequest([{ supportedMethods: method }], { total }).show().then(() => "", (it) => it.name);
        }""",
        f"{there.origin}/pay",
    )
    assert error == "NotSupportedError"


async def test_the_standards_own_identifier_is_not_supported_by_browsers(person: Person) -> None:
    await person.page.goto(person.shop)
    error = await person.page.evaluate(
        """async () => {
            const total = { label: "Total", amount: { currency: "USD", value: "1.00" } };
            const request = new PaymentRequest([{ supportedMethods: "tokenized-card" }], { total });
            return request.show().then(() => "", (it) => it.name);
        }"""
    )
    assert error == "NotSupportedError"


@pytest.mark.parametrize("part", range(5))
async def test_details_that_were_tampered_with_are_refused(person: Person, part: int) -> None:
    details = (await Payee(person).paid(CARD.last_four))["encryptedDetails"]
    parts = details.split(".")
    other = "A" if parts[part][5] != "A" else "B"
    parts[part] = parts[part][:5] + other + parts[part][6:]
    card = TokenizedCard(encrypted_details=".".join(parts))
    request = CheckoutRequest(
        idempotency_key=f"tampered-{details[-8:]}", amount_minor=1240, currency="840", tokenized_card=card
    )
    with pytest.raises(InvalidField) as refused:
        await person.network.stub(MerchantStub, "merchant").Checkout(request)
    assert refused.value.field == "tokenized_card.encrypted_details"


async def test_a_shop_whose_key_is_too_short_is_not_encrypted_to(person: Person) -> None:
    numbers = rsa.generate_private_key(65_537, 1024).public_key().public_numbers()  # noqa: S505 - that is the test
    modulus = base64.urlsafe_b64encode(numbers.n.to_bytes(128, "big")).rstrip(b"=").decode()

    async def short(route: Route) -> None:
        jwk = {"kty": "RSA", "e": "AQAB", "n": modulus, "alg": "RSA-OAEP-256", "use": "enc"}
        await route.fulfill(json=jwk, headers={"access-control-allow-origin": person.wallet})

    window = await open_wallet(person)
    await window.route(f"{person.shop}/payment-key", short)
    await confirm(window, CARD.last_four)
    await window.locator("#trouble").wait_for(state="visible")
    assert "at least 2048 bits" in await window.locator("#message").inner_text()
