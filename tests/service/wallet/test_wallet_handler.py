"""What makes the wallet a payment handler, and what its face refuses."""

import re

import pytest
from wallet_house import House

PAGES = ("/", "/app/window", "/nowhere")


async def test_the_payment_method_leads_to_the_service_worker(house: House) -> None:
    identifier = await house.browser.head("/pay")
    assert identifier.status_code == 200
    assert identifier.headers["link"] == f'<{house.origin}/payment-manifest.json>; rel="payment-method-manifest"'
    payment = (await house.browser.get("/payment-manifest.json")).json()
    assert payment == {"default_applications": [f"{house.origin}/app/manifest.json"]}
    app = (await house.browser.get("/app/manifest.json")).json()
    assert app["name"]
    assert app["serviceworker"] == {"src": "/app/sw.js", "scope": "/app/", "use_cache": False}
    worker = await house.browser.get(app["serviceworker"]["src"])
    assert worker.headers["content-type"].startswith("text/javascript")


async def test_the_icons_are_pictures_of_the_sizes_that_the_manifest_says(house: House) -> None:
    icons = (await house.browser.get("/app/manifest.json")).json()["icons"]
    assert icons
    for icon in icons:
        picture = (await house.browser.get(icon["src"])).content
        assert picture.startswith(b"\x89PNG\r\n\x1a\n")
        width, height = (int.from_bytes(picture[place : place + 4], "big") for place in (16, 20))
        assert icon["sizes"] == f"{width}x{height}"


@pytest.mark.parametrize("path", ["/pay", "/payment-manifest.json", "/app/manifest.json", "/app/sw.js"])
async def test_what_browsers_fetch_for_a_shop_may_be_fetched_for_a_shop(house: House, path: str) -> None:
    assert (await house.browser.get(path)).headers["cross-origin-resource-policy"] == "cross-origin"


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_says_what_it_may_do_and_that_it_is_for_tests(house: House, path: str) -> None:
    page = await house.browser.get(path)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert f"connect-src 'self' {house.shop} https://psp.example;" in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "For tests only. Never use a real card." in page.text


@pytest.mark.parametrize("path", PAGES)
async def test_no_page_has_script_or_style_within_or_asks_anybody_else(house: House, path: str) -> None:
    page = (await house.browser.get(path)).text
    assert not re.search(r"<style|style=|\son[a-z]+=|<script(?![^>]*\ssrc=\"/)", page)
    assert not re.search(r"(src|href)=\"(?!/)", page)


async def test_no_card_field_has_a_name_by_which_a_form_would_post_it(house: House) -> None:
    fields = re.findall(r"<input[^>]*>", await house.home())
    assert fields
    assert not [field for field in fields if " name=" in field]


async def test_without_scripts_the_page_says_that_they_are_needed(house: House) -> None:
    assert "needs JavaScript" in await house.home()


@pytest.mark.parametrize("path", ["/v1/cards", "/v1/offers", "/v1/tokenized-cards", "/v1/support"])
@pytest.mark.parametrize("origin", ["http://localhost:8101", "null", ""])
async def test_other_sites_pages_may_ask_nothing(house: House, path: str, origin: str) -> None:
    await house.home()
    answer = await house.browser.post(path, json=house.request(), headers={"origin": origin})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


async def test_a_body_that_is_too_long_is_refused(house: House) -> None:
    assert (await house.browser.post("/v1/offers", content=b" " * 17_000)).status_code == 413


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/%2e%2e/app.py", "/icons/..%2fapp.py", "/icons/jwe.js"])
async def test_nothing_but_what_is_meant_to_be_seen_is_served(house: House, path: str) -> None:
    answer = await house.browser.get(path)
    assert answer.status_code == 404
    assert "import" not in answer.text


async def test_a_path_that_is_none_is_told_to_programs_as_a_problem(house: House) -> None:
    answer = await house.browser.get("/v1/nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
