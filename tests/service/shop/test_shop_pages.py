"""The demo shop's pages: who is there, what they load, and what their headers allow."""

import re
from base64 import urlsafe_b64decode

import pytest
from browsing import Browser, SavedCard, attribute, members
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import load_pem_x509_certificate

from cardnet.testing import LocalNetwork

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGES = ("/", "/sign-in", "/checkout/tea", "/checkout/club", "/orders", "/nothing")


async def test_no_page_has_a_script_or_style_of_its_own_or_loads_from_strangers(
    browser: Browser, street: LocalNetwork
) -> None:
    for path in PAGES:
        page = (await browser.get(path)).text
        assert not re.search(r"<style|\bstyle=|\bon[a-z]+=|<script(?![^>]*\bsrc=)", page), path
        sources = re.findall(r'\bsrc="([^"]*)"', page)
        assert all(source.startswith(("/static/", f"{street.origins['tsp']}/cardnet.js")) for source in sources)
        assert "For tests only. Never use a real card." in page


async def test_every_page_says_what_a_browser_may_do_with_it(browser: Browser, street: LocalNetwork) -> None:
    for path in (*PAGES, "/static/checkout.js", "/payment-key"):
        headers = (await browser.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert f"script-src 'self' {street.origins['tsp']};" in policy
        assert f"connect-src 'self' {street.origins['tsp']} {street.origins['wallet']};" in policy
        assert f"img-src 'self' {street.origins['wallet']};" in policy
        assert "unsafe" not in policy
        assert headers["permissions-policy"] == "payment=(self)"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["x-content-type-options"] == "nosniff"


async def test_the_fields_of_a_card_have_no_names_and_no_form_posts_them(browser: Browser) -> None:
    page = (await browser.get("/checkout/tea")).text
    for field in ("card-number", "card-expiry", "card-code"):
        tag = re.search(rf'<input id="{field}"[^>]*>', page)
        assert tag
        assert "name=" not in tag[0]
        assert 'autocomplete="cc-' in tag[0]
        assert 'inputmode="numeric"' in tag[0]
        assert f'aria-describedby="{field}-error"' in tag[0]
        assert f'<label for="{field}">' in page
    assert re.search(r'<section id="card-way"[^>]* hidden>', page)
    assert "needs JavaScript, because the card must not go through this shop" in page


async def test_a_guest_is_not_offered_to_keep_a_card_and_has_none(browser: Browser, on_file: SavedCard) -> None:
    await on_file()
    page = (await browser.get("/checkout/tea")).text
    assert 'id="card-keep"' not in page
    assert 'name="cardOnFile"' not in page
    await browser.sign_in()
    page = (await browser.get("/checkout/tea")).text
    assert 'id="card-keep"' in page
    assert 'name="cardOnFile"' in page


async def test_who_signs_in_gets_another_session_and_who_signs_out_has_none(browser: Browser) -> None:
    await browser.get("/checkout/tea")
    guest = browser.client.cookies["cardnet-shop"]
    signed = await browser.sign_in("jonas")
    said = signed.headers["set-cookie"]
    assert "HttpOnly" in said
    assert "SameSite=lax" in said
    assert browser.client.cookies["cardnet-shop"] != guest
    assert "Jonas Lindqvist" in (await browser.get("/")).text

    ended = browser.client.cookies["cardnet-shop"]
    await browser.submit("/sign-out")
    for old in (guest, ended):
        answer = await browser.get("/", cookie=f"cardnet-shop={old}")
        assert "Jonas Lindqvist" not in answer.text


@pytest.mark.parametrize("next_", ["https://evil.example/", "//evil.example", "/\\evil.example", "/a\nb", ""])
async def test_signing_in_leads_to_no_other_site(browser: Browser, next_: str) -> None:
    answer = await browser.submit("/sign-in", customer="mina", next=next_)
    assert answer.headers["location"] == "/"


async def test_nobody_signs_in_who_is_not_a_demo_customer(browser: Browser) -> None:
    assert (await browser.sign_in("<script>")).status_code == 400


async def test_the_page_says_to_its_script_what_is_paid(browser: Browser, street: LocalNetwork) -> None:
    page = (await browser.get("/checkout/dates")).text
    assert attribute(page, "data-value") == "7.250"
    assert attribute(page, "data-currency") == "KWD"
    assert attribute(page, "data-merchant-id") == "MERCHANT0000001"
    assert attribute(page, "data-service-id") == "001"
    assert attribute(page, "data-wallet-origin") == street.origins["wallet"]


async def test_the_key_for_wallets_is_a_jwk_or_a_certificate_that_the_wallet_s_pages_may_read(
    browser: Browser, street: LocalNetwork
) -> None:
    key = await browser.get("/payment-key")
    assert key.headers["content-type"] == "application/jwk+json"
    assert key.headers["access-control-allow-origin"] == street.origins["wallet"]
    told = members(key)
    assert (told["kty"], told["use"], told["alg"]) == ("RSA", "enc", "RSA-OAEP-256")
    assert "d" not in told

    pem = await browser.get("/payment-key", accept="application/x-pem-file")
    certified = load_pem_x509_certificate(pem.content).public_key()
    assert isinstance(certified, RSAPublicKey)
    modulus = int.from_bytes(urlsafe_b64decode(f"{told['n']}=="))
    assert certified.public_numbers().n == modulus
    assert (await browser.get("/payment-key", accept="text/html")).status_code == 406
