"""The list of authorisations in a browser: it lives, it waits for who looks, and the keyboard reaches all of it."""

import asyncio
import re

import pytest
from bare_console import as_told, console_at
from person import Person
from playwright.async_api import Route, expect
from told import recorded, trace_id

from cardnet.testing import LocalNetwork
from cardnet.testing.payment import Payment
from cardnet.traces.archive import Archive


async def pay(network: LocalNetwork, card: str = "approved") -> Payment:
    return await network.checkout(await network.save_card(card), "12.40 USD")


async def look(person: Person, query: str = "") -> None:
    await person.page.goto(f"{person.network.console_origin}/{query}")
    await expect(person.page.locator("#state")).to_have_text("live")


def line(person: Person, payment: Payment):  # type: ignore[no-untyped-def]
    return person.page.locator(f'tr[data-id="{payment.trace.trace_id}"]')


async def test_a_payment_appears_by_itself_and_one_click_leads_to_who_decided(
    network: LocalNetwork, person: Person
) -> None:
    await look(person)
    payment = await pay(network, "insufficient-funds")
    await expect(line(person, payment)).to_contain_text("51 insufficient funds")
    await expect(person.page.locator('[data-count="seen"]')).to_have_text(f"{network.collector.archive.seen:,}")
    await line(person, payment).get_by_role("link").click()
    await expect(person.page.locator("#verdict")).to_contain_text("Decided by issuer in step 6 on amount_minor (DE4)")
    await expect(person.page.locator(".sheet.decided")).to_have_attribute("id", "step-6")
    assert not person.complained
    assert all(said.url.startswith(f"{network.console_origin}/") for said in person.said)


async def test_with_a_filter_only_what_matches_appears_and_all_is_counted(
    network: LocalNetwork, person: Person
) -> None:
    await look(person)
    await person.page.get_by_label("Outcome").select_option("refused")
    await person.page.get_by_label("Code").fill("51")
    await person.page.get_by_role("button", name="Filter").click()
    await expect(person.page).to_have_url(re.compile(r"/\?outcome=refused&code=51$"))
    await expect(person.page.locator("#state")).to_have_text("live")
    good, bad = await pay(network), await pay(network, "insufficient-funds")
    await expect(line(person, bad)).to_be_visible()
    await expect(line(person, good)).to_have_count(0)
    await expect(person.page.locator('[data-count="seen"]')).to_have_text(f"{network.collector.archive.seen:,}")


async def test_the_keyboard_moves_marks_compares_and_opens(network: LocalNetwork, person: Person) -> None:
    older, newer = await pay(network), await pay(network, "insufficient-funds")
    await look(person)
    await expect(line(person, newer)).to_be_visible()
    press = person.page.keyboard.press
    await press("j")
    await expect(line(person, newer).get_by_role("link")).to_be_focused()
    await press("c")
    await press("ArrowDown")
    await expect(line(person, older).get_by_role("link")).to_be_focused()
    await press("Control+k")
    await press("c")
    await expect(line(person, older).get_by_role("checkbox")).to_be_checked()
    compare = person.page.get_by_role("button", name="Compare two marked")
    await expect(compare).to_be_enabled()
    await press("k")
    await expect(line(person, newer).get_by_role("link")).to_be_focused()
    await compare.click()
    pair = f"/compare\\?a={older.trace.trace_id}&b={newer.trace.trace_id}$"
    await expect(person.page).to_have_url(re.compile(pair))
    await person.page.go_back()
    await press("j")
    await press("Enter")
    await expect(person.page).to_have_url(re.compile(f"/authorisations/{newer.trace.trace_id}$"))
    assert not person.complained


@pytest.mark.parametrize("width", [1121, 1180, 1280])
async def test_every_column_has_room_for_what_it_says(network: LocalNetwork, person: Person, width: int) -> None:
    payment = await pay(network, "insufficient-funds")
    await person.page.set_viewport_size({"width": width, "height": 600})
    await look(person)
    await expect(line(person, payment)).to_be_visible()
    heights = [(await cell.bounding_box() or {})["height"] for cell in await line(person, payment).locator("td").all()]
    assert max(heights) < 60, "no more than two lines"


async def test_a_field_keeps_the_keys_that_are_typed_into_it(network: LocalNetwork, person: Person) -> None:
    await pay(network)
    await look(person)
    await person.page.keyboard.press("/")
    merchant = person.page.get_by_label("Merchant")
    await expect(merchant).to_be_focused()
    await person.page.keyboard.type("jack/c")
    await expect(merchant).to_have_value("jack/c")
    await expect(person.page.locator("tbody input:checked")).to_have_count(0)


async def test_escape_leaves_a_field_of_the_filter_as_it_is_and_keys_move_again(
    network: LocalNetwork, person: Person
) -> None:
    payment = await pay(network)
    await look(person)
    press = person.page.keyboard.press
    await expect(line(person, payment)).to_be_visible()
    await press("/")
    await person.page.keyboard.type("jack")
    await press("Escape")
    await expect(person.page.get_by_label("Merchant")).not_to_be_focused()
    await expect(person.page.get_by_label("Merchant")).to_have_value("jack")
    await press("j")
    await expect(line(person, payment).get_by_role("link")).to_be_focused()

    outcome = person.page.get_by_label("Outcome")
    await outcome.focus()
    await press("Escape")
    await expect(outcome).to_be_focused()


async def test_single_keys_can_be_turned_off_and_stay_off(network: LocalNetwork, person: Person) -> None:
    payment = await pay(network)
    await look(person)
    link, keys = line(person, payment).get_by_role("link"), person.page.get_by_label("Keys", exact=True)
    await expect(link).to_be_visible()
    await keys.uncheck()
    for _ in range(2):
        await person.page.keyboard.press("j")
        await expect(link).not_to_be_focused()
        await person.page.reload()
        await expect(keys).not_to_be_checked()
    await keys.check()
    await person.page.keyboard.press("j")
    await expect(link).to_be_focused()


async def test_nothing_moves_while_the_keyboard_is_in_the_list(network: LocalNetwork, person: Person) -> None:
    await pay(network)
    await look(person)
    await person.page.keyboard.press("j")
    state = person.page.locator("#state")
    await expect(state).to_have_text("paused")
    payment = await pay(network)
    await expect(state).to_have_text("paused, 1 new")
    await expect(line(person, payment)).to_have_count(0)
    await person.page.keyboard.press("Escape")
    await expect(line(person, payment)).to_be_visible()
    await expect(state).to_have_text("live")


async def test_a_button_holds_the_list_and_lets_it_go_on(network: LocalNetwork, person: Person) -> None:
    await pay(network)
    await look(person)
    button = person.page.locator("#hold")
    await button.click()
    await expect(button).to_have_text("Go on")
    payment = await pay(network)
    await expect(person.page.locator("#state")).to_have_text("paused, 1 new")
    await button.click()
    await expect(line(person, payment)).to_be_visible()
    await expect(button).to_have_text("Pause")


async def test_the_pointer_over_the_list_holds_it_and_the_button_is_not_confused_by_that(
    network: LocalNetwork, person: Person
) -> None:
    payment = await pay(network)
    await look(person)
    await line(person, payment).hover()
    await expect(person.page.locator("#state")).to_have_text("paused")
    await person.page.locator("h1").hover()
    await expect(person.page.locator("#state")).to_have_text("live")
    await line(person, payment).get_by_role("link").focus()
    await person.page.locator("#hold").click()  # who sees "Go on" and presses it wants the list to go on
    await expect(person.page.locator("#state")).to_have_text("live")


@pytest.mark.parametrize("person", [{"scripts": False}], indirect=True)
async def test_without_scripts_there_are_list_filter_and_comparison(network: LocalNetwork, person: Person) -> None:
    older, newer = await pay(network), await pay(network, "insufficient-funds")
    page = person.page
    await page.goto(f"{network.console_origin}/")
    await expect(page.locator("#live")).to_be_hidden()
    for payment in (newer, older):
        await line(person, payment).get_by_role("checkbox").check()
    await page.get_by_role("button", name="Compare two marked").click()
    await expect(page.locator("#first")).to_contain_text("The first step that differs is")
    await page.goto(f"{network.console_origin}/")
    await page.get_by_label("Outcome").select_option("approved")
    await page.get_by_role("button", name="Filter").click()
    await expect(page).to_have_url(re.compile(r"/\?outcome=approved$"))
    await expect(line(person, older)).to_be_visible()
    await expect(line(person, newer)).to_have_count(0)


COUNT_WHAT_GOES = """() => {
    window.gone = 0;  // lines that were listed, and went at the lower end; one that is replaced has not gone
    const wentIn = (change) => (change.addedNodes.length ? 0 : change.removedNodes.length);
    const count = (changes) => { for (const change of changes) gone += wentIn(change) };
    new MutationObserver(count).observe(document.querySelector("#lines tbody"), { childList: true });
}"""


COUNT_CHANGES = """() => {
    window.changes = { added: 0, removed: 0 };
    const kind = (change) => (change.addedNodes.length ? "added" : "removed");
    const observer = new MutationObserver((changes) => { for (const one of changes) window.changes[kind(one)] += 1 });
    const begin = () => observer.observe(document.querySelector("#lines tbody"), { childList: true });
    document.addEventListener("readystatechange", () => { if (document.readyState === "interactive") begin() });
}"""


async def test_a_burst_of_thousands_changes_the_list_once_a_message_and_leaves_two_hundred_lines(
    person: Person, address: str
) -> None:
    page, firsts = person.page, range(20, 420, 20)
    bodies = [as_told(range(first + 19, first - 1, -1), matched=500, seen=25 * first) for first in firsts]

    async def tell_once(route: Route) -> None:
        told = "".join(bodies)
        bodies.clear()
        await (route.fulfill(content_type="text/event-stream", body=told) if told else route.abort())

    async with console_at(Archive(), address) as origin:
        await page.route("**/events*", tell_once)
        await page.add_init_script(f"({COUNT_CHANGES})()")
        await page.goto(origin)
        await expect(page.locator('[data-count="seen"]')).to_have_text("10,000")
    rows = page.locator("tbody tr")
    await expect(rows).to_have_count(200)
    await expect(rows.first).to_have_attribute("data-id", trace_id(419))
    await expect(rows.last).to_have_attribute("data-id", trace_id(220))
    await expect(page.locator("#shown")).to_contain_text("200 listed. 9,600 more came too fast to be listed")
    assert await page.evaluate("window.changes") == {"added": 20, "removed": 200}


async def test_thousands_are_counted_and_all_is_listed_or_said_to_be_left_out(person: Person, address: str) -> None:
    archive, page = Archive(), person.page
    async with console_at(archive, address) as origin:
        await page.goto(origin)
        await expect(page.locator("#empty")).to_contain_text("No authorisation yet")
        await expect(page.locator("#state")).to_have_text("live")
        await page.evaluate(COUNT_WHAT_GOES)
        for first in range(1, 5_000, 10):
            await archive.take(recorded(range(first, first + 10)))
            await asyncio.sleep(0)
        await expect(page.locator('[data-count="seen"]')).to_have_text("5,000")
        await expect(page.locator("#empty")).to_be_hidden()
        await expect(page.locator(f'tr[data-id="{trace_id(5_000)}"]')).to_be_visible()
        assert await page.locator("tbody tr").count() <= 200
        shown = await page.locator("#shown").inner_text()
        gone = await page.evaluate("window.gone")
    rows, left = (int(number.replace(",", "")) for number in re.findall(r"[0-9,]+", shown))
    assert rows + left + gone == 5_000


async def test_what_came_while_the_page_was_loading_is_listed(person: Person, address: str) -> None:
    archive = Archive()
    await archive.take(recorded([1]))

    async def many_come_first(route: Route) -> None:
        await archive.take(recorded(range(2, 52)))
        await route.continue_()

    async with console_at(archive, address) as origin:
        await person.page.route("**/events*", many_come_first, times=1)
        await person.page.goto(origin)
        await expect(person.page.locator("#shown")).to_have_text("The newest 51 of 51 kept.")
        await expect(person.page.locator("tbody tr")).to_have_count(51)


async def test_a_press_of_the_button_that_is_let_go_elsewhere_does_not_count_later(
    person: Person, address: str
) -> None:
    archive, page = Archive(), person.page
    await archive.take(recorded([1]))
    async with console_at(archive, address) as origin:
        await page.goto(origin)
        await page.keyboard.press("j")
        await page.locator("#hold").hover()
        await page.mouse.down()
        await page.locator("h1").hover()
        await page.mouse.up()
        await page.locator("#hold").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("#state")).to_have_text("paused")
