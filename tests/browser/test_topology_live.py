"""A topology page that is open shows what is disturbed by now, and whoever uses its forms meanwhile loses nothing."""

from collections.abc import AsyncIterator

import pytest_asyncio
from chromium import Chromium
from patience import patient
from person import Person
from playwright.async_api import expect

from cardnet.testing import LocalNetwork


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def disturbed_one() -> AsyncIterator[LocalNetwork]:
    async with LocalNetwork(in_process=True, faults=True, console=True, settings=patient()) as network:
        yield network


@pytest_asyncio.fixture(loop_scope="session")
async def onlooker(disturbed_one: LocalNetwork, chromium: Chromium) -> AsyncIterator[Person]:
    """Somebody who has the topology open, of which nothing is disturbed."""
    disturbed_one.faults.clear()
    async with Person.at(chromium, disturbed_one) as person:
        await person.page.goto(f"{disturbed_one.console_origin}/topology")
        yield person


async def test_a_switch_that_is_set_used_up_and_taken_back_elsewhere_shows_on_an_open_page(
    disturbed_one: LocalNetwork, onlooker: Person
) -> None:
    page, faults = onlooker.page, disturbed_one.faults
    rows, marks = page.locator(".switches li"), page.locator(".net .hop.disturbed")
    none, all_back = page.locator("#none-set"), page.get_by_role("button", name="take all back")
    card = await disturbed_one.save_card("approved")
    await expect(none).to_be_visible()

    faults.set("network-issuer", latency_ms=1, call="Authorise", times=2)
    await expect(rows).to_contain_text(["network → issuer Authorise: each request arrives 1 ms later, 2 of 2"])
    await expect(marks).to_have_count(1)
    await expect(page.locator(".net .count")).to_have_text("1")
    await expect(page.locator("#net-text")).to_contain_text("network asks issuer, disturbed;")
    await expect(none).to_be_hidden()

    await disturbed_one.checkout(card, "3.00 USD")
    await expect(rows).to_contain_text(["1 of 2 times left"])
    await disturbed_one.checkout(card, "3.00 USD")
    await expect(rows).to_contain_text(["2 times: done"])
    await expect(rows).to_have_class(["spent"])
    await expect(marks).to_have_count(0)

    faults.set("tsp-issuer", duplicate=True)
    await expect(rows).to_contain_text(["2 times: done", "tsp → issuer: each request arrives twice, until taken back"])
    await expect(all_back).to_be_visible()

    faults.clear()
    await expect(rows).to_have_count(0)
    await expect(none).to_be_visible()
    await expect(all_back).to_be_hidden()
    assert onlooker.complained == []


async def test_what_somebody_types_or_is_about_to_press_stays_under_their_fingers(
    disturbed_one: LocalNetwork, onlooker: Person
) -> None:
    page, faults = onlooker.page, disturbed_one.faults
    first = faults.set("network-issuer", latency_ms=1, times=5)
    second = faults.set("network-issuer", duplicate=True)
    rows, times = page.locator(".switches li"), page.get_by_label("times")
    await expect(rows).to_have_count(2)
    await page.get_by_label("hop").select_option("tsp-issuer")
    await times.fill("7")
    faults.set("merchant-tsp", duplicate=True)
    await expect(rows).to_have_count(3)
    await expect(times).to_be_focused()
    await expect(times).to_have_value("7")
    await expect(page.get_by_label("hop")).to_have_value("tsp-issuer")

    button = page.get_by_role("button", name=f"take back switch {second.id}")
    await button.focus()
    await button.evaluate("(one) => { window.pressed = one }")
    await disturbed_one.checkout(await disturbed_one.save_card("approved"), "3.00 USD")
    await expect(rows.nth(0)).to_contain_text("4 of 5 times left")
    faults.clear(first)
    faults.clear(second)
    await expect(rows).to_contain_text(["taken back", "taken back", "merchant → tsp"])
    assert await page.evaluate("document.activeElement === window.pressed")
    await times.focus()
    await expect(rows).to_have_count(1)
    assert onlooker.complained == []


async def test_nothing_moves_between_pressing_and_letting_go(disturbed_one: LocalNetwork, onlooker: Person) -> None:
    page, faults = onlooker.page, disturbed_one.faults
    await page.get_by_label("hop").select_option("tsp-issuer")
    await page.get_by_role("button", name="Disturb").hover()
    await page.mouse.down()
    faults.set("network-issuer", duplicate=True)
    for _ in range(2):  # the first answer may have been under way
        await page.wait_for_event("response", lambda answer: answer.url.endswith("/topology.json"))
    await expect(page.locator(".net .hop.disturbed")).to_have_count(1)
    await expect(page.locator(".switches li")).to_have_count(0)
    await page.mouse.up()
    await page.wait_for_url("**/topology#switches")
    assert [switch.hop for switch in faults.switches] == ["network-issuer", "tsp-issuer"]
