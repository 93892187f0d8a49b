"""The console of a network that may be disturbed, and of one that may not: faults, services and tokens by hand."""

import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from chromium import Chromium
from patience import AMPLE_S, patient
from person import Person
from playwright.async_api import Page, expect
from test_pages import CONTRAST, NAMELESS

sys.path.append(str(Path(__file__).parents[1] / "flow"))

from waiting import until

from cardnet.response_code import ResponseCode as Code
from cardnet.testing import LocalNetwork

WIDTHS = (360, 1280)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def disturbed() -> AsyncIterator[LocalNetwork]:
    """Five processes whose calls and lives are in the console's hands."""
    async with LocalNetwork(faults=True, console=True, settings=patient()) as network:
        yield network


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def undisturbed() -> AsyncIterator[LocalNetwork]:
    async with LocalNetwork(in_process=True, console=True, admin=False, settings=patient()) as network:
        yield network


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(disturbed: LocalNetwork, chromium: Chromium, request: pytest.FixtureRequest) -> AsyncIterator[Person]:
    """Somebody at the console of the network that may be disturbed."""
    async with Person.at(chromium, disturbed, **getattr(request, "param", {})) as person:
        yield person
    disturbed.faults.clear()
    for process in disturbed.processes.values():
        process.resume()


async def disturb(page: Page, origin: str, **chosen: str) -> None:
    await page.goto(f"{origin}/topology")
    form = page.locator("form.new-switch")
    for name, value in chosen.items():
        field = form.locator(f"[name={name}]")
        if await field.evaluate("(one) => one.tagName") == "SELECT":
            await field.select_option(value)
        else:
            await field.fill(value)
    await form.get_by_role("button", name="Disturb").click()
    await page.wait_for_url("**/topology#switches")


@pytest.mark.parametrize("visitor", [{"scripts": True}, {"scripts": False}], indirect=True, ids=["js", "no-js"])
async def test_a_lost_answer_switched_on_a_page_makes_the_next_payment_fail_and_its_trace_says_where(
    disturbed: LocalNetwork, visitor: Person
) -> None:
    card = await disturbed.save_card("approved")
    await disturb(visitor.page, disturbed.console_origin, kind="drop answer", call="Authorise", times="1")
    await expect(visitor.page.locator(".switches li")).to_contain_text("network → issuer Authorise: the answer is lost")
    await expect(visitor.page.locator(".net .hop.disturbed")).to_have_count(1)

    lost = await disturbed.checkout(card, "12.40 USD")
    again = await disturbed.checkout(card, "12.40 USD")

    assert (lost.response_code, again.response_code) == (Code.ISSUER_UNAVAILABLE, Code.APPROVED)
    said = {step.number: step.fields.get("response_code") for step in lost.trace.steps}
    assert (said[6], said[7]) == ("00", "91")  # the issuer said yes, and the network never heard of it
    await visitor.page.reload()
    await expect(visitor.page.locator(".switches li")).to_contain_text("1 time: done")
    await visitor.page.get_by_role("button", name="take back").click()
    await expect(visitor.page.locator(".switches li")).to_have_count(0)
    assert visitor.complained == []


async def test_a_switch_without_a_number_of_times_is_not_set(disturbed: LocalNetwork, visitor: Person) -> None:
    page = visitor.page
    await page.goto(f"{disturbed.console_origin}/topology")
    await page.get_by_label("times").fill("")
    await page.get_by_role("button", name="Disturb").click()
    await expect(page.get_by_label("times")).to_be_focused()
    assert await page.get_by_label("times").evaluate("(one) => one.validity.valueMissing")
    assert disturbed.faults.switches == []


async def error_rate(page: Page, service: str) -> float:
    """A service's, in per cent, as an open page says it; 0 where it has not been asked yet."""
    said = await page.locator(f"#service-{service} [data-cell=errors]").inner_text()
    return float(said.replace("–", "0").removesuffix("%"))


async def test_an_issuer_is_stopped_and_started_on_a_page(disturbed: LocalNetwork, visitor: Person) -> None:
    card = await disturbed.save_card("approved")
    page = visitor.page
    await page.goto(f"{disturbed.console_origin}/topology")
    before = await error_rate(page, "issuer")
    await page.get_by_role("button", name="stop the issuer").click()
    await expect(page.locator("#service-issuer [data-cell=word]")).to_have_text("stopped")

    assert (await disturbed.checkout(card, "3.00 USD")).response_code is Code.ISSUER_UNAVAILABLE

    async def charged() -> bool:
        return await error_rate(page, "issuer") > before

    await until(charged, "the issuer, which left no span, is charged with what its caller's tells")

    await page.get_by_role("button", name="start the issuer").click()
    await expect(page.locator("#service-issuer [data-cell=word]")).to_have_text("serving")

    async def approved() -> bool:
        return (await disturbed.checkout(card, "3.00 USD")).response_code is Code.APPROVED

    await until(approved, "the network finds the issuer again")
    assert visitor.complained == []


async def test_the_figures_move_while_one_looks(disturbed: LocalNetwork, visitor: Person) -> None:
    card = await disturbed.save_card("approved")
    await visitor.page.goto(f"{disturbed.console_origin}/topology")
    cell = visitor.page.locator("#service-acquirer [data-cell=calls]")
    before = int((await cell.inner_text()).replace(",", ""))
    await disturbed.checkout(card, "3.00 USD")
    await expect(cell).to_have_text(f"{before + 1:,}")
    disturbed.processes["tsp"].pause()
    await expect(visitor.page.locator("#service-tsp [data-cell=word]")).to_have_text("paused")
    await expect(visitor.page.get_by_role("button", name="resume the tsp")).to_be_enabled()
    await visitor.page.get_by_role("button", name="resume the tsp").click()
    await expect(visitor.page.locator("#service-tsp [data-cell=word]")).to_have_text("serving")
    assert visitor.complained == []


@pytest.mark.parametrize("visitor", [{"scripts": True}, {"scripts": False}], indirect=True, ids=["js", "no-js"])
async def test_a_token_is_suspended_resumed_and_deleted_on_a_page(disturbed: LocalNetwork, visitor: Person) -> None:
    account = await disturbed.open_account("100.00 USD")
    card = await disturbed.save_card(account)
    page = visitor.page
    await page.goto(f"{disturbed.console_origin}/tokens")
    row = page.locator("tr", has=page.locator(f'a[href="/tokens/{card.token_reference_id}"]'))
    await expect(row).to_contain_text(f"••••{account.pan[-4:]}")
    await row.locator("th a").click()
    await page.wait_for_url("**/tokens/*")
    token = page.url

    async def pays() -> Code:
        return (await disturbed.checkout(card, "3.00 USD")).response_code

    await page.get_by_role("button", name="suspend").click()
    await expect(page.locator("h1")).to_contain_text("suspended by tsp")
    assert await pays() is not Code.APPROVED
    await page.get_by_label("in whose name").select_option("issuer")
    await page.get_by_role("button", name="resume").click()
    await expect(page.get_by_role("alert")).to_contain_text("the issuer has not suspended this token")
    await page.get_by_label("in whose name").select_option("operator")
    await page.get_by_role("button", name="resume").click()
    await expect(page.locator("h1 .state")).to_have_text("active")
    assert await pays() is Code.APPROVED

    await page.get_by_role("button", name="delete").click()
    await expect(page.locator("main")).to_contain_text("confirm: must be ticked")
    await page.goto(token)
    await page.get_by_label("it never comes back").check()
    await page.get_by_role("button", name="delete").click()
    await expect(page.locator("h1 .state")).to_have_text("deleted")
    assert await pays() is not Code.APPROVED

    async def told() -> bool:
        await page.goto(token)
        return await page.locator("#history + table tbody tr").count() == 3

    await until(told, "the history tells of three changes")
    assert account.pan not in await page.content()
    assert not [line for line in visitor.complained if "status of 4" not in line]


async def test_where_nothing_may_be_disturbed_there_is_nothing_to_disturb_it_with(
    undisturbed: LocalNetwork, chromium: Chromium
) -> None:
    origin = undisturbed.console_origin
    async with Person.at(chromium, undisturbed) as person:
        await person.page.goto(f"{origin}/topology")
        await expect(person.page.locator("main")).to_contain_text("cardnet up --faults")
        assert await person.page.locator("main form").count() == 0
        await expect(person.page.get_by_role("link", name="Tokens")).to_have_count(0)
    async with httpx.AsyncClient(base_url=origin, headers={"origin": origin}, timeout=AMPLE_S) as client:
        for path in ("/topology/switches", "/topology/switches/1/back", "/topology/services/issuer", "/tokens/00"):
            assert (await client.post(path, data={"action": "stop"})).status_code == 404, path
        assert (await client.get("/tokens")).status_code == 404


async def test_another_sites_page_cannot_disturb_anything(disturbed: LocalNetwork) -> None:
    async with httpx.AsyncClient(base_url=disturbed.console_origin, timeout=AMPLE_S) as client:
        for headers in ({"origin": "http://evil.example"}, {"origin": "null"}, {}):
            stop = await client.post("/topology/services/issuer", data={"action": "stop"}, headers=headers)
            fault = {"hop": "network-issuer", "kind": "duplicate"}
            assert (stop.status_code, disturbed.processes["issuer"].state) == (403, "running")
            assert (await client.post("/topology/switches", data=fault, headers=headers)).status_code == 403
    assert disturbed.faults.switches == []


@pytest.mark.parametrize(
    ("path", "fields", "said"),
    [
        (
            "/topology/switches",
            {"hop": "a-b", "kind": "duplicate", "times": "1"},
            "hop: must be one of merchant-acquirer",
        ),
        ("/topology/switches", {"hop": "network-issuer", "kind": "magic"}, "kind: must be one of latency"),
        (
            "/topology/switches",
            {"hop": "network-issuer", "kind": "latency", "times": "1"},
            "latency_ms: must be 1 to 60,000",
        ),
        ("/topology/switches", {"hop": "network-issuer", "kind": "duplicate", "times": "²"}, "times: must be a number"),
        (
            "/topology/switches",
            {"hop": "network-issuer", "kind": "duplicate", "times": " "},
            "times: must be filled in",
        ),
        ("/topology/switches", {"hop": "network-issuer", "kind": "duplicate"}, "0 is until it is taken back"),
        ("/topology/services/issuer", {"action": "explode"}, "action: must be one of stop"),
        ("/topology/services/shop", {"action": "stop"}, "service: must be one of merchant"),
    ],
)
async def test_what_cannot_be_done_is_refused_by_field_and_rule(
    disturbed: LocalNetwork, path: str, fields: dict[str, str], said: str
) -> None:
    origin = disturbed.console_origin
    async with httpx.AsyncClient(base_url=origin, headers={"origin": origin}, timeout=AMPLE_S) as client:
        answer = await client.post(path, data=fields)
    assert (answer.status_code, said in answer.text) == (400, True), answer.text
    assert disturbed.faults.switches == []


@pytest.mark.parametrize("visitor", [{"width": width} for width in WIDTHS], indirect=True, ids=map(str, WIDTHS))
async def test_the_rooms_can_be_read_at_two_widths_in_light_and_dark(disturbed: LocalNetwork, visitor: Person) -> None:
    await disturbed.checkout(await disturbed.save_card("approved"), "12.40 USD")
    disturbed.faults.set("network-issuer", latency_ms=300, call="Authorise", times=2)
    disturbed.faults.set("tsp-issuer", drop="answer")
    page, origin = visitor.page, disturbed.console_origin
    await page.goto(f"{origin}/tokens")
    token = await page.locator("tbody th a").first.get_attribute("href")
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        for path in ("/topology", "/tokens", str(token)):
            await page.goto(f"{origin}{path}")
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} is too wide"
            assert await page.evaluate(NAMELESS) == [], path
            assert await page.evaluate(CONTRAST) == [], (path, scheme)
            assert await page.locator("main").count() == 1 and await page.locator("h1").count() == 1
            if SHOTS:
                name = re.sub(r"[0-9a-f]{32}", "one", path.strip("/").replace("/", "-"))
                width = (page.viewport_size or {})["width"]
                await page.screenshot(path=f"{SHOTS}/D-{name}-{scheme}-{width}.png", full_page=True)
    assert visitor.complained == []
    assert not [said.url for said in visitor.said if not said.url.startswith((origin, "data:"))]


SHOTS = os.environ.get("CARDNET_TEST_SHOTS", "")
"""A folder for pictures of the pages, to be looked at; empty for none."""
