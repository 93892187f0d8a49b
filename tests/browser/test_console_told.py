"""What the list makes of what it is told: changed lines stay where they are, nothing untold counts as told."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import pytest
from bare_console import as_told, console_at
from person import Person
from playwright.async_api import Page, Request, Route, expect
from told import trace_id

from cardnet.traces.archive import Archive

NOTE_WHAT_LIGHTS = """() => {
    window.lit = 0;
    const count = (rows) => { for (const row of rows) if (row.classList?.contains("fresh")) lit += 1 };
    const observer = new MutationObserver((changes) => { for (const one of changes) count(one.addedNodes) });
    const begin = () => observer.observe(document.querySelector("#lines tbody"), { childList: true });
    document.addEventListener("readystatechange", () => { if (document.readyState === "interactive") begin() });
}"""


NOTE_WHAT_CHANGES = """() => {
    window.changed = [];
    const name = (node) => node.dataset?.id ?? node.nodeName;
    const note = (change) => changed.push(...[...change.addedNodes, ...change.removedNodes].map(name));
    new MutationObserver((changes) => changes.forEach(note)).observe(
        document.querySelector("#lines tbody"), { childList: true, subtree: true }
    );
}"""


@asynccontextmanager
async def told(person: Person, address: str, *messages: str) -> AsyncIterator[list[str]]:
    """A page that is told these, each whenever it asks again; more may be added."""
    waiting = list(messages)

    async def tell(route: Route) -> None:
        body = f"retry: 50\n\n{waiting.pop(0) if waiting else ''}"
        await route.fulfill(content_type="text/event-stream", body=body)

    async with console_at(Archive(), address) as origin:
        await person.page.route("**/events*", tell)
        await person.page.goto(origin)
        yield waiting


async def listed(page: Page) -> list[tuple[int, str]]:
    """Number and word of each line."""
    rows = await page.locator("tbody tr").evaluate_all(
        "rows => rows.map((row) => [row.dataset.id, row.lastElementChild.textContent])"
    )
    return [(int(id_, 16), says) for id_, says in rows]


def seen(page: Page, number: int):  # type: ignore[no-untyped-def]
    return expect(page.locator('[data-count="seen"]')).to_have_text(str(number))


async def test_a_line_that_changed_stays_where_it_is_and_one_that_is_not_listed_is_not_listed_anew(
    person: Person, address: str
) -> None:
    page = person.page
    changed = as_told([4], 1, 4, [(1, "then"), (9, "then")])
    async with told(person, address, as_told([3, 2, 1], 3, 3)) as messages:
        await seen(page, 3)
        await page.locator("tbody tr").last.get_by_role("checkbox").check()
        await page.keyboard.press("Escape")
        await page.locator("h1").hover()
        messages.append(changed)
        await seen(page, 4)
        assert await listed(page) == [(4, "first"), (3, "first"), (2, "first"), (1, "then")]
        await expect(page.locator("tbody tr").last.get_by_role("checkbox")).to_be_checked()


async def test_a_line_that_is_wanted_no_more_is_taken_away(person: Person, address: str) -> None:
    page = person.page
    async with told(person, address, as_told([2, 1], 2, 2), as_told([], 0, 3, [(2, ""), (7, "")])) as messages:
        await seen(page, 3)
        assert await listed(page) == [(1, "first")]
        await expect(page.locator("#shown")).to_have_text("1 listed.")
        messages.append(as_told([], 0, 4, [(1, "")]))
        await seen(page, 4)
        await expect(page.locator("#unmatched")).to_be_visible()
        await expect(page.locator("#lines")).to_be_hidden()
        messages.append(as_told([5], 1, 5))
        await expect(page.locator("#lines")).to_be_visible()
        await expect(page.locator("#unmatched")).to_be_hidden()
    assert not [said for said in person.complained if "Error" in said]


async def test_while_the_list_is_held_no_line_changes_and_then_each_stands_as_it_was_told_last(
    person: Person, address: str
) -> None:
    page = person.page
    async with told(person, address, as_told([3, 2, 1], 3, 3)) as messages:
        await seen(page, 3)
        await page.locator("#hold").click()
        messages += [
            as_told([6, 5, 4], 3, 6, [(1, "then"), (2, "")]),
            as_told([], 0, 7, [(1, "at last"), (5, "then"), (6, ""), (9, "then")]),
        ]
        await seen(page, 7)
        assert await listed(page) == [(3, "first"), (2, "first"), (1, "first")]
        await expect(page.locator("#state")).to_have_text(re.compile(r"^paused, 2 new(, not connected)?$"))
        await page.locator("#hold").click()
        assert await listed(page) == [(5, "then"), (4, "first"), (3, "first"), (1, "at last")]
        await expect(page.locator("#shown")).to_have_text("4 listed.")


async def test_a_whole_list_takes_the_old_one_s_place_in_its_own_order_and_what_is_marked_stays(
    person: Person, address: str
) -> None:
    page = person.page
    async with told(person, address, as_told([50, 30, 29, 28], 40, 50)) as messages:
        await seen(page, 50)
        for number in (50, 29):
            await page.locator(f'tr[data-id="{trace_id(number)}"]').get_by_role("checkbox").check()
        await page.keyboard.press("Escape")
        await page.locator("h1").hover()
        messages.append(as_told([52, 51, 50, 49, 30], 2, 52, whole="The newest 5 of 51 kept."))
        await seen(page, 52)
        assert [number for number, _ in await listed(page)] == [52, 51, 50, 49, 30, 29]
        marked = await page.locator("tr:has(:checked)").evaluate_all("rows => rows.map((row) => row.dataset.id)")
        assert marked == [trace_id(50), trace_id(29)]
        await expect(page.locator("#shown")).to_have_text("The newest 5 of 51 kept.")
        messages.append(as_told([53], 1, 53))
        await seen(page, 53)
        await expect(page.locator("#shown")).to_have_text("7 listed.")


async def test_of_a_whole_list_only_what_differs_touches_the_page(person: Person, address: str) -> None:
    page, whole = person.page, "The newest 4 of 4 kept."
    async with told(person, address, as_told([4, 3, 2, 1], 4, 4)) as messages:
        await seen(page, 4)
        await page.locator("tbody tr").nth(1).get_by_role("checkbox").check()
        await page.keyboard.press("Escape")
        await page.locator("h1").hover()
        await expect(page.locator("tbody [class=fresh]")).to_have_count(0)
        await page.evaluate(NOTE_WHAT_CHANGES)
        messages.append(as_told([4, 3, 2, 1], 0, 5, whole=whole))
        await seen(page, 5)
        assert await page.evaluate("window.changed") == []
        messages.append(as_told([6, 4, 2, 3, 1], 1, 6, whole=whole))
        await seen(page, 6)
        assert set(await page.evaluate("window.changed")) == {trace_id(6), trace_id(2)}, "the new one and the moved one"
        await page.evaluate("() => { window.changed = [] }")
        messages.append(as_told([6, 4, 2, 3, 1], 1, 7, whole=whole).replace(">first<", ">then<", 1))
        await seen(page, 7)
        assert await page.evaluate("window.changed") == [trace_id(6), trace_id(6)], "put in the old one's place"
        assert await listed(page) == [(6, "then"), *((number, "first") for number in (4, 2, 3, 1))]
        await expect(page.locator("tr:has(:checked)")).to_have_attribute("data-id", trace_id(3))


async def test_while_the_list_is_held_no_whole_one_takes_its_place_and_then_it_is_asked_for_again(
    person: Person, address: str
) -> None:
    page = person.page
    async with told(person, address, as_told([2, 1], 2, 2)) as messages:
        await seen(page, 2)
        await page.locator("#hold").click()
        messages += [as_told([4, 3, 2], 2, 4, whole="The newest 3 of 3 kept."), as_told([5], 1, 5, [(1, "then")])]
        await seen(page, 5)
        assert await listed(page) == [(2, "first"), (1, "first")]
        await expect(page.locator("#state")).to_have_text(re.compile(r"^paused, 3 new(, not connected)?$"))
        async with page.expect_request(lambda request: request.url.endswith("after=5")):
            await page.locator("#hold").click()
        messages.append(as_told([6, 5, 4], 1, 6, whole="The newest 3 of 3 kept."))
        await seen(page, 6)
        assert await listed(page) == [(6, "first"), (5, "first"), (4, "first")]


async def test_what_is_said_of_an_empty_list_is_so_by_now(person: Person, address: str) -> None:
    page = person.page
    async with told(person, address, as_told([], 0, 0, whole="The newest 0 of 0 kept.")) as messages:
        await expect(page.locator("#empty")).to_be_visible()
        await expect(page.locator("#unmatched")).to_be_hidden()
        messages.append(as_told([], 0, 3))
        await expect(page.locator("#unmatched")).to_be_visible()
        await expect(page.locator("#empty")).to_be_hidden()


@pytest.mark.parametrize(("many", "matched", "lit"), [(4, 4, 4), (20, 0, 0), (4, 5, 0)])
async def test_few_new_lines_light_up_and_many_do_not_whether_or_not_they_are_counted(
    person: Person, address: str, many: int, matched: int, lit: int
) -> None:
    await person.page.add_init_script(f"({NOTE_WHAT_LIGHTS})()")
    async with told(person, address, as_told(range(many, 0, -1), matched, 20)):
        await seen(person.page, 20)
        assert len(await listed(person.page)) == many
        assert await person.page.evaluate("window.lit") == lit


async def test_who_comes_back_says_up_to_where_lines_were_told_and_not_what_is_counted(
    person: Person, address: str
) -> None:
    def is_asked(request: Request) -> bool:
        return urlsplit(request.url).path == "/events" and parse_qs(urlsplit(request.url).query)["after"] != ["0"]

    async with told(person, address, as_told([20], 20, 500, told=20)):
        await seen(person.page, 500)
        async with person.page.expect_request(is_asked) as asked:
            await person.page.evaluate('for (const name of ["pagehide", "pageshow"]) dispatchEvent(new Event(name))')
        assert urlsplit((await asked.value).url).query == "rows=1&after=20"
