"""The reader's text size is the pages': all text grows with it, and no page gets wider than its window."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from chromium import Chromium
from patience import patient
from person import Person
from playwright.async_api import Page

from cardnet.testing import LocalNetwork

USUAL, LARGE = 16, 32

TEXTS = """() => Object.fromEntries([...document.querySelectorAll("main *, header *")]
    .filter((one) => one.checkVisibility() && !one.closest("svg, option")
        && [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .map((one) => [one.outerHTML, parseFloat(getComputedStyle(one).fontSize)]))"""
"""Each text and how large it is written; what is written in a picture grows as far as its window lets the picture."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def looked_at_large() -> AsyncIterator[LocalNetwork]:
    """Its topology has all that there is: the wallet, the levers, and a switch."""
    async with LocalNetwork(web=True, faults=True, console=True, settings=patient()) as network:
        network.faults.set("network-issuer", drop="answer", call="Authorise", times=2)
        yield network


async def written(page: Page, default_px: int) -> dict[str, float]:
    """How large each text is written for somebody who has set such a size in their browser."""
    session = await page.context.new_cdp_session(page)
    await session.send("Page.setFontSizes", {"fontSizes": {"standard": default_px, "fixed": default_px * 13 // 16}})
    await page.wait_for_function(
        "(size) => parseFloat(getComputedStyle(document.documentElement).fontSize) === size", arg=default_px
    )
    sizes: dict[str, float] = await page.evaluate(TEXTS)
    return sizes


@pytest.mark.parametrize("width", [390, 1280])
async def test_at_double_text_size_all_text_is_larger_and_no_page_scrolls_sideways(
    looked_at_large: LocalNetwork, chromium: Chromium, width: int
) -> None:
    payment = await looked_at_large.checkout(await looked_at_large.save_card("approved"), "12.40 USD")
    async with Person.at(chromium, looked_at_large, width=width, scripts=False) as person:
        page, origin = person.page, looked_at_large.console_origin
        await page.goto(f"{origin}/tokens")
        token = await page.locator("tbody th a").first.get_attribute("href")
        one = payment.trace.trace_id
        for path in ("/", "/tokens", str(token), "/topology", f"/authorisations/{one}", f"/compare?a={one}&b={one}"):
            await page.goto(f"{origin}{path}")
            usual = await written(page, USUAL)
            large = await written(page, LARGE)
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} is too wide"
            both = usual.keys() & large.keys()  # where there is less room, some explanations are left away
            assert len(both) > 5 and {text: large[text] for text in both} == {
                text: pytest.approx(2 * usual[text]) for text in both
            }, path
            picture = page.locator(".net")
            assert await picture.count() == 0 or (await picture.bounding_box() or {})["width"] >= min(width - 48, 680)
