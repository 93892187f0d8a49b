"""The pages as people meet them: on a phone, by the keyboard alone, and with names for everything."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from person import Person
from playwright.async_api import Page
from shopping import CODE, open_checkout, open_wallet, pay_by_card, press, receipt, sign_in, typed

from cardnet.test_cards import test_card

CARD = test_card("approved")

NAMELESS = """() => [...document.querySelectorAll("input:not([type=hidden]), button, select, a, img")]
    .filter((one) => one.offsetParent !== null)
    .filter((one) => one.tagName === "IMG" ? !one.hasAttribute("alt") : !(
        one.labels?.length || one.getAttribute("aria-label") || one.textContent.trim() || one.querySelector("img[alt]")
    ))
    .map((one) => one.outerHTML)"""

CONTRAST = """() => {
    const parts = (colour) => colour.match(/[0-9.]+/g).map(Number);
    const channel = (value) => (value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
    const behind = (one) => {
        for (let at = one; at; at = at.parentElement) {
            const style = getComputedStyle(at);
            if (style.backgroundImage !== "none") return null;  // a picture: looked at by people
            const colour = parts(style.backgroundColor);
            if (colour.length < 4 || colour[3] === 1) return colour;
        }
        return [255, 255, 255];
    };
    const said = [...document.querySelectorAll("body *")].filter((one) => one.checkVisibility()
        && !one.disabled && [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
    return said.map((one) => {
        const ground = behind(one);
        if (!ground) return null;
        const [light, dark] = [luminance(parts(getComputedStyle(one).color)), luminance(ground)].sort((a, b) => b - a);
        return (light + 0.05) / (dark + 0.05) < 4.5 ? one.outerHTML : null;
    }).filter(Boolean);
}"""


async def looked_at(page: Page) -> None:
    """Hold a page to what every page is held to."""
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{page.url} is too wide"
    assert await page.evaluate(NAMELESS) == [], page.url
    assert await page.evaluate(CONTRAST) == [], page.url
    assert await page.evaluate("document.documentElement.lang") == "en"
    assert await page.locator("main").count() == 1 and await page.locator("h1").count() == 1
    assert "Never use a real card" in await page.locator("body").inner_text()


@pytest_asyncio.fixture(loop_scope="session")
async def journey(person: Person) -> AsyncIterator[list[str]]:
    """The addresses of all pages that somebody sees who buys something."""
    await sign_in(person)
    paid = await pay_by_card(person, CARD, keep=True)
    order = person.page.url
    refused = await pay_by_card(person, "insufficient-funds")
    assert (paid.state, refused.state) == ("approved", "refused")
    shop = ("/", "/sign-in", "/checkout/tea", "/checkout/club", "/orders", "/no-such-page")
    yield [*(f"{person.shop}{path}" for path in shop), order, person.page.url, f"{person.tokens}/", f"{person.wallet}/"]


@pytest.mark.parametrize("person", [{"width": 360}, {"width": 1100}], indirect=True, ids=["phone", "desk"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_fits_and_can_be_read(person: Person, journey: list[str], scheme: str) -> None:
    await person.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    for address in journey:
        await person.page.goto(address)
        await looked_at(person.page)
    assert [line for line in person.complained if "404" not in line] == []


@pytest.mark.parametrize("person", [{"width": 360}], indirect=True, ids=["phone"])
async def test_the_wallets_window_fits_and_can_be_read(person: Person) -> None:
    window = await open_wallet(person)
    await looked_at(window)
    await press(window, "#cancel")


async def test_a_card_is_typed_and_paid_with_by_the_keyboard_alone(person: Person) -> None:
    await open_checkout(person)
    page, (number, expiry) = person.page, typed(CARD)
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.id") == "card-number":
            break
    for text in (number, expiry, CODE):
        await page.keyboard.type(text)
        await page.keyboard.press("Tab")
    await page.locator("#card-code").focus()
    await page.keyboard.press("Enter")
    assert (await receipt(person)).state == "approved"
