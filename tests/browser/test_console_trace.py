"""One authorisation, and two, in a browser: with and without scripts, wide and narrow, light and dark."""

import pytest
from canary import found, shapes
from person import Person
from playwright.async_api import expect
from told import answered, asked, recorded, trace_id

from cardnet.env import Env
from cardnet.stage import Stage
from cardnet.test_cards import test_card as known_card
from cardnet.testing import LocalNetwork
from cardnet.traces.trace import Trace
from cardnet.triggers import trigger


async def wrong_merchant(network: LocalNetwork) -> Trace:
    scene = await trigger("wrong-merchant").play(Stage(network.channel, Env.of("browser test")))
    return await network.trace(scene.trace_id)


async def approved(network: LocalNetwork) -> Trace:
    payment = await network.checkout(await network.save_card("approved"), "12.40 USD")
    return payment.trace


async def insufficient(network: LocalNetwork) -> Trace:
    payment = await network.checkout(await network.save_card("insufficient-funds"), "12.40 USD")
    return payment.trace


@pytest.mark.parametrize("person", [{}, {"scripts": False}], ids=["scripts", "no scripts"], indirect=True)
async def test_a_refused_payment_shows_within_one_click_that_step_four_refused(
    network: LocalNetwork, person: Person
) -> None:
    trace, page = await wrong_merchant(network), person.page
    await page.goto(network.console_origin)
    await page.locator(f'tr[data-id="{trace.trace_id}"]').get_by_role("link").click()
    verdict = page.locator("#verdict")
    await expect(verdict).to_contain_text("token service provider refused")
    await expect(verdict).to_contain_text("Decided by tsp in step 4 on merchant_id (DE42)")
    await expect(page.locator(".picture svg")).to_be_visible()
    await expect(page.locator(".picture .seq-why")).to_have_text("◆ decided here, on DE42 merchant id")
    await verdict.get_by_role("link").click()
    await expect(page.locator("#step-4")).to_be_in_viewport()
    await expect(page.locator(".sheet.decided")).to_have_attribute("id", "step-4")
    await expect(page.locator("#step-4 h3 .decides")).to_have_text("decided here")
    deciding = page.locator("#step-4 tr.decided")
    await expect(deciding).to_contain_text("DE42 card acceptor identification code")
    await expect(deciding.locator("th")).to_have_text("merchant_id decided on this")
    await expect(deciding.locator(".value")).to_have_text("MERCHANT0000001")
    await page.locator("summary", has_text="Raw spans").click()
    await expect(page.locator(".raw")).to_contain_text(trace.trace_id)
    assert await page.get_by_role("button", name="Copy").count() == (1 if person.scripts else 0)
    assert not person.complained
    assert all(said.url.startswith(f"{network.console_origin}/") for said in person.said)


async def test_two_payments_show_the_first_step_that_differs(network: LocalNetwork, person: Person) -> None:
    a, b = await approved(network), await insufficient(network)
    await person.page.goto(f"{network.console_origin}/compare?a={a.trace_id}&b={b.trace_id}")
    first = person.page.locator("#first a")
    await expect(first).to_have_text("step 6")  # up to there both went alike; then the issuer said no
    await first.click()
    await expect(person.page.locator("#step-6")).to_be_in_viewport()
    await expect(person.page.locator("#step-6 .decides")).to_have_text("differs first")
    await expect(person.page.locator(".decides")).to_have_count(1)
    await expect(person.page.locator("#step-6 tr.differs").first).to_contain_text("response_code DE39")
    assert not person.complained


async def test_a_trace_that_was_not_whole_is_shown_again_when_it_is(network: LocalNetwork, person: Person) -> None:
    archive, number = network.collector.archive, 0xFEED
    await archive.take(recorded([number]))
    await archive.take(asked(number))
    await person.page.goto(f"{network.console_origin}/authorisations/{trace_id(number)}")
    await expect(person.page.locator("#incomplete")).to_be_visible()
    await archive.take(answered(number))
    await expect(person.page.locator("#incomplete")).to_have_count(0)


@pytest.mark.parametrize("person", [{"width": 360}], indirect=True)
async def test_in_a_narrow_window_the_picture_begins_with_the_step_that_decided(
    network: LocalNetwork, person: Person
) -> None:
    trace, page = await wrong_merchant(network), person.page
    await page.set_viewport_size({"width": 360, "height": 3_000})  # so that nothing but the picture is to be scrolled
    await page.goto(f"{network.console_origin}/authorisations/{trace.trace_id}")
    await expect(page.locator(".picture .seq-why")).to_be_in_viewport(ratio=0.9)
    await expect(page.locator(".picture .seq-refused .seq-dot")).to_be_in_viewport(ratio=0.9)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("person", [{"width": 360}, {"width": 1280}], ids=["360", "1280"], indirect=True)
async def test_no_page_is_wider_than_its_window(network: LocalNetwork, person: Person, scheme: str) -> None:
    a, b = (await approved(network)).trace_id, (await wrong_merchant(network)).trace_id
    await person.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    more = {"merchant": "m" * 300, "amount_minor": "9" * 300, "payment_token": "4" * 300, "t" * 300: "t" * 300}
    await network.collector.archive.take(recorded([0xB16], code="c" * 300, **more))
    big = trace_id(0xB16)
    paths = ("/", f"/authorisations/{a}", f"/authorisations/{b}", f"/authorisations/{big}")
    for path in (*paths, f"/compare?a={a}&b={b}", f"/compare?a={a}&b={big}"):
        await person.page.goto(f"{network.console_origin}{path}")
        over = await person.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert over <= 0, path
        ground = await person.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 29)"}[scheme]
    assert not person.complained


async def test_every_page_has_landmarks_one_heading_names_for_its_fields_and_heads_for_its_columns(
    network: LocalNetwork, person: Person
) -> None:
    a, b = (await approved(network)).trace_id, (await wrong_merchant(network)).trace_id
    for path in ("/", f"/authorisations/{a}", f"/compare?a={a}&b={b}", "/nowhere"):
        await person.page.goto(f"{network.console_origin}{path}")
        for role in ("banner", "navigation", "main"):
            assert await person.page.get_by_role(role).count() >= 1, (path, role)
        assert await person.page.get_by_role("heading", level=1).count() == 1
        unnamed = await person.page.evaluate(UNNAMED)
        assert not unnamed, path


UNNAMED = """[
    ...[...document.querySelectorAll("input:not([type=hidden]), select")].filter(
        (one) => !one.labels.length && !one.getAttribute("aria-label")),
    ...[...document.querySelectorAll("th")].filter((one) => !one.scope),
    ...[...document.querySelectorAll("h3, h2")].filter((one) => !one.textContent.trim()),
].map((one) => one.outerHTML)"""


async def test_the_focus_is_seen_and_the_first_stop_leads_to_the_content(network: LocalNetwork, person: Person) -> None:
    await person.page.goto(network.console_origin)
    await person.page.keyboard.press("Tab")
    skip = person.page.locator(".skip")
    await expect(skip).to_be_focused()
    await expect(skip).to_be_in_viewport()
    assert await skip.evaluate("(one) => getComputedStyle(one).outlineStyle") == "solid"
    await person.page.keyboard.press("Enter")
    await expect(person.page.locator("#main")).to_be_focused()


async def test_no_page_holds_a_cards_number_in_any_shape(network: LocalNetwork, person: Person) -> None:
    trace, needles = await approved(network), shapes(known_card("approved").pan)
    for path in ("/", f"/authorisations/{trace.trace_id}", f"/compare?a={trace.trace_id}&b={trace.trace_id}"):
        await person.page.goto(f"{network.console_origin}{path}")
        assert not list(found(await person.stored(), needles))
