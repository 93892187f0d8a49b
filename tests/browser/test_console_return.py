"""Whoever comes back to the list, or whose console does, finds it as it is by now."""

import asyncio

import pytest
from bare_console import console_at
from person import Person
from playwright.async_api import Route, expect
from told import recorded, trace_id
from waiting import until

from cardnet.traces import archive as archives
from cardnet.traces.archive import Archive


async def test_a_page_finds_its_console_again(person: Person, address: str) -> None:
    archive, state = Archive(), person.page.locator("#state")
    async with console_at(archive, address) as origin:
        await person.page.goto(origin)
        await expect(state).to_have_text("live")
    await expect(state).to_have_text("not connected, trying again")
    await archive.take(recorded(range(1, 51)))
    async with console_at(archive, address):
        await expect(state).to_have_text("live")
        await expect(person.page.locator(f'tr[data-id="{trace_id(50)}"]')).to_be_visible()
        await expect(person.page.locator("#shown")).to_have_text("The newest 50 of 50 kept.")
        await expect(person.page.locator("tbody tr")).to_have_count(50)


async def test_who_comes_back_to_a_page_finds_every_line_as_it_is_by_now(
    person: Person, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "SETTLES_AGAIN_S", 0)  # else who reads a line again reads it a little later
    archive, page = Archive(), person.page

    async def nobody_listens() -> bool:
        return not archive.on_entry

    await archive.take(recorded(range(1, 61), code=""))
    async with console_at(archive, address) as origin:
        await page.goto(f"{origin}/?outcome=unanswered")
        await expect(page.locator("#state")).to_have_text("live")
        await page.evaluate('dispatchEvent(new Event("pagehide"))')
        await until(nobody_listens, "nobody is told")
        await archive.take(recorded([1], code="", merchant="Another Shop"))
        await archive.take(recorded([2], code="51"))
        await page.evaluate('dispatchEvent(new Event("pageshow"))')
        await expect(page.locator(f'tr[data-id="{trace_id(1)}"]')).to_contain_text("Another Shop")
        await expect(page.locator("tbody tr")).to_have_count(59)


AWAY_AND_BACK = 'for (const name of ["pagehide", "pageshow"]) dispatchEvent(new Event(name))'

NOTE_WHAT_IS_SAID = """() => {
    window.said = [];
    for (const place of document.querySelectorAll("#state, #spoken")) {
        new MutationObserver(() => said.push(place.textContent)).observe(place, { childList: true });
    }
}"""


async def test_a_connection_that_is_lost_and_found_is_told_to_who_cannot_see_it_and_its_counts_are_not_each(
    person: Person, address: str
) -> None:
    archive, page = Archive(), person.page
    state, spoken = page.locator("#state"), page.get_by_role("status")
    async with console_at(archive, address) as origin:
        await page.clock.install(time=0)
        await page.clock.pause_at(1_000)
        await page.goto(origin)
        await expect(state).to_have_text("live")
        await expect(spoken).to_be_empty()
    await expect(spoken).to_have_text("not connected, trying again")
    async with console_at(archive, address):
        await expect(spoken).to_have_text("live again")
        await page.evaluate(NOTE_WHAT_IS_SAID)
        await archive.take(recorded(range(1, 6)))
        await expect(page.locator('[data-count="seen"]')).to_have_text("5")
        assert await page.evaluate("window.said") == []


async def test_a_list_that_waits_for_who_looks_says_as_well_that_its_console_is_gone(
    person: Person, address: str
) -> None:
    archive, page = Archive(), person.page
    state = page.locator("#state")
    await archive.take(recorded([1]))
    async with console_at(archive, address) as origin:
        await page.goto(origin)
        await expect(state).to_have_text("live")
        await page.keyboard.press("j")
        await expect(state).to_have_text("paused")
    await expect(state).to_have_text("paused, not connected")
    async with console_at(archive, address):
        await expect(state).to_have_text("paused")


async def test_who_comes_back_is_told_that_the_page_connects_only_where_that_takes_long(
    person: Person, address: str
) -> None:
    archive, page, goes_on = Archive(), person.page, asyncio.Event()
    state = page.locator("#state")

    async def hangs(route: Route) -> None:
        await goes_on.wait()
        await route.continue_()

    async with console_at(archive, address) as origin:
        await page.clock.install(time=0)
        await page.clock.pause_at(1_000)
        await page.goto(origin)
        await expect(state).to_have_text("live")
        await page.evaluate(NOTE_WHAT_IS_SAID)
        await page.evaluate(AWAY_AND_BACK)
        await archive.take(recorded([1]))
        await expect(page.locator("tbody tr")).to_have_count(1)
        assert await page.evaluate("window.said") == []
        await page.route("**/events*", hangs)
        await page.evaluate(AWAY_AND_BACK)
        await page.clock.run_for(1_000)
        await expect(state).to_have_text("connecting")
        goes_on.set()
        await expect(state).to_have_text("live")
        assert await page.evaluate("window.said") == ["connecting", "live"]


NOTE_WHAT_CHANGES = """() => {
    window.changed = [];
    const rows = (nodes) => [...nodes].map((node) => node.dataset?.id).filter(Boolean);
    const note = (change) => changed.push(...rows(change.addedNodes), ...rows(change.removedNodes));
    const observer = new MutationObserver((changes) => changes.forEach(note));
    const begin = () => observer.observe(document.querySelector("#lines tbody"), { childList: true });
    document.addEventListener("readystatechange", () => { if (document.readyState === "interactive") begin() });
}"""


async def test_lines_that_were_loaded_with_the_page_stay_as_they_are_when_it_connects_and_when_it_does_again(
    person: Person, address: str
) -> None:
    archive, page, shop = Archive(), person.page, "Bücher & <Söhne> 'Co' \""
    await archive.take(recorded([1, 2], code=""))
    await archive.take(recorded([3, 4], merchant=shop))
    async with console_at(archive, address) as origin:
        await page.add_init_script(f"({NOTE_WHAT_CHANGES})()")
        await page.goto(origin)
        for number in (5, 6):
            await expect(page.locator("#state")).to_have_text("live")
            await archive.take(recorded([number]))
            await expect(page.locator("tbody tr").first).to_have_attribute("data-id", trace_id(number))
            await page.evaluate(AWAY_AND_BACK)
        await archive.take(recorded([7]))
        await expect(page.locator("tbody tr").first).to_have_attribute("data-id", trace_id(7))
        assert await page.evaluate("window.changed") == [trace_id(number) for number in (5, 6, 7)]


async def test_a_console_of_which_nothing_is_heard_is_asked_again(person: Person, address: str) -> None:
    page = person.page
    async with console_at(Archive(), address) as origin:
        await page.clock.install()
        await page.goto(origin)
        await expect(page.locator("#state")).to_have_text("live")
        async with page.expect_request("**/events?*"):
            await page.clock.fast_forward(36_000)
        await expect(page.locator("#state")).to_have_text("live")


async def test_who_goes_back_finds_the_line_marked_that_they_had_marked_and_no_other(
    person: Person, address: str
) -> None:
    archive, page = Archive(), person.page
    await archive.take(recorded([1, 2]))
    async with console_at(archive, address) as origin:
        await page.goto(origin)
        await page.locator("tbody tr").first.get_by_role("checkbox").check()
        await page.goto(f"{origin}/authorisations/{trace_id(2)}")
        await archive.take(recorded([3]))
        await page.go_back()
        await expect(page.locator("tbody tr")).to_have_count(3)
        await expect(page.get_by_role("button", name="Compare: mark one more")).to_be_visible()
        await expect(page.locator("tr:has(:checked)")).to_have_count(1)
        await expect(page.locator("tr:has(:checked)")).to_have_attribute("data-id", trace_id(2))
        await page.goto(f"{origin}/?outcome=approved")
        await expect(page.locator("#state")).to_have_text("live")
        await expect(page.locator("tr:has(:checked)")).to_have_count(0)


async def test_what_is_marked_is_so_on_going_back_though_a_hundred_came_since_and_counts_for_no_more_rows(
    person: Person, address: str
) -> None:
    archive, page = Archive(), person.page
    rows, marked = page.locator("tbody tr"), page.locator("tr:has(:checked)")
    await archive.take(recorded([1, 2]))
    async with console_at(archive, address) as origin:
        await page.goto(origin)
        await rows.first.get_by_role("checkbox").check()
        await page.goto(f"{origin}/authorisations/{trace_id(2)}")
        await archive.take(recorded(range(3, 203)))
        await page.go_back()
        await expect(rows).to_have_count(101)
        await expect(marked).to_have_attribute("data-id", trace_id(2))
        await rows.first.get_by_role("checkbox").check()
        for _ in range(2):
            await page.reload()
            await expect(rows).to_have_count(101)
            await expect(marked).to_have_count(2)
            async with page.expect_request("**/events?*") as again:
                await page.evaluate(AWAY_AND_BACK)
            assert "rows=100&" in (await again.value).url
        await expect(page.get_by_role("button", name="Compare two marked")).to_be_enabled()
        await expect(page.locator("#shown")).to_have_text("The newest 100 of 202 kept.")


async def test_a_list_that_has_grown_is_no_shorter_for_who_comes_back_or_whose_console_does(
    person: Person, address: str
) -> None:
    archive, page = Archive(), person.page
    rows, state = page.locator("tbody tr"), page.locator("#state")
    await archive.take(recorded(range(1, 101)))
    async with console_at(archive, address) as origin:
        await page.goto(origin)
        await expect(state).to_have_text("live")
        for numbers in ([101], range(102, 116)):  # the first may be told with the whole list still
            await archive.take(recorded(numbers))
            await expect(rows.first).to_have_attribute("data-id", trace_id(numbers[-1]))
        assert (grown := await rows.count()) >= 114
    await expect(state).to_have_text("not connected, trying again")
    await archive.take(recorded([116]))
    async with console_at(archive, address):
        await expect(rows.first).to_have_attribute("data-id", trace_id(116))
        await expect(rows).to_have_count(grown)
        await expect(state).to_have_text("live")
        await page.evaluate(AWAY_AND_BACK)
        await archive.take(recorded([117]))
        await expect(rows.first).to_have_attribute("data-id", trace_id(117))
        assert await rows.count() >= grown


async def test_who_opened_a_line_and_comes_back_goes_on_from_it_by_keys(person: Person, address: str) -> None:
    archive, page = Archive(), person.page
    await archive.take(recorded(range(1, 6)))
    async with console_at(archive, address) as origin:
        await page.goto(origin)
        await page.locator(f'tr[data-id="{trace_id(4)}"]').get_by_role("checkbox").check()
        await page.keyboard.press("j")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/authorisations/*")
        await page.go_back()
        await expect(page.locator("#state")).to_have_text("live")
        await expect(page.locator("tr:has(:checked)")).to_have_attribute("data-id", trace_id(4))
        await page.keyboard.press("j")
        await expect(page.locator("tbody a:focus")).to_have_attribute("href", f"/authorisations/{trace_id(3)}")
        await page.keyboard.press("Escape")
        await page.keyboard.press("j")
        await expect(page.locator("tbody a:focus")).to_have_attribute("href", f"/authorisations/{trace_id(5)}")
