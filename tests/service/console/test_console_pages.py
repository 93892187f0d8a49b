"""The console's pages as they come over the wire, of payments that were made: no browser, and so no script."""

import asyncio
import json
import re
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from console_visit import browser_at
from page_words import line_of, step, words
from told import asked, recorded, trace_id

from cardnet.console.site import Console
from cardnet.env import Env
from cardnet.stage import Stage
from cardnet.test_cards import test_card as known_card
from cardnet.testing import LocalNetwork
from cardnet.testing.payment import Payment
from cardnet.traces.archive import Archive
from cardnet.traces.trace import Trace
from cardnet.triggers import trigger

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wrong_merchant(network: LocalNetwork) -> Trace:
    scene = await trigger("wrong-merchant").play(Stage(network.channel, Env.of("test")))
    return await network.trace(scene.trace_id)


@pytest_asyncio.fixture(loop_scope="module")
async def alone() -> AsyncIterator[tuple[Archive, httpx.AsyncClient]]:
    """A console over an archive that a test fills, and a browser at it."""
    archive = Archive()
    async with browser_at(Console(archive)) as browser:
        yield archive, browser


async def test_the_list_says_of_each_what_it_came_to_and_who_decided(
    browser: httpx.AsyncClient, approved: Payment, wrong_merchant: Trace
) -> None:
    page = (await browser.get("/")).text
    good, bad = line_of(page, approved.trace.trace_id), line_of(page, wrong_merchant.trace_id)
    assert "12.40 USD" in good and "Example Shop" in good and "00 approved" in good and "issuer, step 6" in good
    assert "57 not permitted to card" in bad and "tsp, step 4" in bad
    assert page.index(wrong_merchant.trace_id) < page.index(approved.trace.trace_id)
    assert 'aria-label="steps 1 2 3 4 7 8 9"' in page


async def test_a_filter_is_the_addresss_query(
    browser: httpx.AsyncClient, approved: Payment, wrong_merchant: Trace
) -> None:
    page = (await browser.get("/?outcome=refused&merchant=EXAMPLE")).text
    assert wrong_merchant.trace_id in page and approved.trace.trace_id not in page
    assert "<option selected>refused</option>" in page and 'name="merchant" value="EXAMPLE"' in page
    assert 'id="unmatched" hidden' in page and 'id="unmatched">' in (await browser.get("/?code=99")).text


async def test_what_a_form_leaves_blank_is_taken_out_of_the_address(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/?outcome=&merchant=Caf%C3%A9+%26+Co&token=&code=&slower_ms=")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?merchant=Caf%C3%A9+%26+Co")
    assert (await browser.get("/?outcome=&code=")).headers["location"] == "/"


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("code=5", "code: must be a response code"),
        ("outcome=maybe", "outcome: must be one of approved, refused, unanswered"),
        ("token=123", "token: must be the last four digits"),
        ("slower_ms=-1", "slower_ms: must be a number of milliseconds"),
    ],
)
async def test_a_filter_that_cannot_be_is_told_by_field_and_rule(
    browser: httpx.AsyncClient, query: str, sentence: str
) -> None:
    answer = await browser.get(f"/?{query}")
    assert answer.status_code == 400 and sentence in words(answer.text)
    assert (await browser.get(f"/?{query}", headers={"accept": "*/*"})).json()["rule"] in sentence + answer.text


async def test_before_the_first_payment_the_list_says_how_to_make_one(
    alone: tuple[Archive, httpx.AsyncClient],
) -> None:
    page = words((await alone[1].get("/")).text)
    assert "No authorisation yet" in page
    assert "cardnet pay --card approved --amount 12.40" in page and "cardnet trigger wrong-merchant" in page


async def test_where_nothing_is_kept_of_a_filter_is_spoken_only_to_who_has_one(
    alone: tuple[Archive, httpx.AsyncClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, browser = alone
    monkeypatch.setattr(Archive, "seen", 3)  # as after a restart whose file has the counts alone
    plain, filtered = [(await browser.get(path)).text for path in ("/", "/?code=51")]
    assert all('id="unmatched">' in page and 'id="empty" hidden' in page for page in (plain, filtered))
    assert "No authorisation is kept" in plain and "Clear the filter" not in plain
    assert "Clear the filter" in filtered and "is kept" not in filtered


async def test_one_authorisation_says_which_step_refused_and_on_what(
    browser: httpx.AsyncClient, wrong_merchant: Trace
) -> None:
    page = (await browser.get(f"/authorisations/{wrong_merchant.trace_id}")).text
    verdict = words(page.split('id="verdict"')[1].split("</p>")[0])
    assert "the token service provider refused: MERCHANT0000001 (shop.example) is not in the token's domain" in verdict
    assert "Decided by tsp in step 4 on merchant_id (DE42)" in verdict
    fourth = words(step(page, 4))
    assert "DE42 card acceptor identification code merchant_id decided on this MERCHANT0000001" in fourth
    assert fourth.count("decided on this") == 1 and "refusal MERCHANT_NOT_ALLOWED" in fourth
    assert "DE39 response code response_code 57 added not permitted to card" in fourth
    assert [number for number in range(1, 10) if "decided here" in step(page, number)] == [4]
    assert [number for number in range(1, 10) if "not asked: step 4 refused" in step(page, number)] == [5, 6]
    checks = words(page.split('id="checks-title"')[1].split("</section>")[0])
    assert "token ✓ passed TRID – not applied merchant ✗ refused entry mode – not reached" in checks


async def test_no_step_was_taken_before_the_one_before_it(browser: httpx.AsyncClient, approved: Payment) -> None:
    page = (await browser.get(f"/authorisations/{approved.trace.trace_id}")).text
    told = [re.search(r"· at ([0-9.]+) (ms|s), call took [0-9.]+ m?s", step(page, number)) for number in range(1, 10)]
    at_ms = [float(one[1]) * (1 if one[2] == "ms" else 1000) for one in told if one]
    assert len(at_ms) == 9 and at_ms == sorted(at_ms)
    picture = page.split("<svg")[1].split("</svg>")[0]
    assert all(f"+{one[1]} {one[2]}" in words(picture) for one in told if one)


async def test_each_step_shows_its_fields_with_number_and_name_and_what_it_changed(
    browser: httpx.AsyncClient, approved: Payment
) -> None:
    page = (await browser.get(f"/authorisations/{approved.trace.trace_id}")).text
    fifth = step(page, 5)
    change = next(change for change in approved.trace.changes(5) if change.name == "pan")
    assert f"<del>{change.before}</del>" in fifth and f"<ins>{change.after}</ins>" in fifth
    assert "DE2 primary account number pan" in words(fifth)
    assert "12.40 USD" in words(fifth)
    assert "00 added approved" in words(step(page, 6))
    assert "<ins>" in step(page, 3) and "<del>" not in step(page, 3)


async def test_it_says_of_each_service_whether_it_could_see_the_pan(
    browser: httpx.AsyncClient, approved: Payment, wrong_merchant: Trace
) -> None:
    good = words((await browser.get(f"/authorisations/{approved.trace.trace_id}")).text)
    bad = words((await browser.get(f"/authorisations/{wrong_merchant.trace_id}")).text)
    for service in ("network", "tsp", "issuer"):
        assert f"{service} ● saw it" in good
    for service in ("merchant", "acquirer"):
        assert f"{service} ○ took part, did not see it" in good
    assert "● saw it" not in bad and "issuer – took no part" in bad


async def test_a_few_digits_are_enough_and_an_unknown_trace_is_404(
    browser: httpx.AsyncClient, approved: Payment
) -> None:
    whole = approved.trace.trace_id
    assert whole in (await browser.get(f"/authorisations/{whole[:12].upper()}")).text
    unknown = await browser.get("/authorisations/" + "0" * 32)
    assert unknown.status_code == 404 and "no such trace: it may be older" in words(unknown.text)
    assert "To the latest authorisations" in unknown.text
    short = await browser.get("/authorisations/abc")
    assert short.status_code == 400 and "trace_id: must be at least 4 digits" in words(short.text)
    assert (await browser.get("/nowhere")).status_code == 404


async def test_it_can_be_taken_away_in_several_forms(browser: httpx.AsyncClient, approved: Payment) -> None:
    path = f"/authorisations/{approved.trace.trace_id}"
    page = (await browser.get(path)).text
    files = {ending: await browser.get(f"{path}.{ending}") for ending in ("json", "otlp.json", "svg", "mmd")}
    for ending, answer in files.items():
        assert f'href="{path}.{ending}"' in page
        assert answer.headers["content-disposition"] == (
            f'attachment; filename="trace-{approved.trace.trace_id[:8]}.{ending}"'
        )
    assert Trace.from_json(files["json"].text) == approved.trace
    assert json.loads(files["otlp.json"].text)["resourceSpans"]
    lines = files["mmd"].text.splitlines()
    assert lines[0] == "sequenceDiagram" and len([line for line in lines if re.search(r"> ?>?.*: [1-9] ", line)]) == 9
    assert files["svg"].text.startswith("<svg") and files["svg"].headers["content-type"].startswith("image/svg+xml")
    assert "cardnet.v1.Merchant/Checkout" in page.split("<details>")[1]


async def test_an_incomplete_trace_says_what_is_missing(alone: tuple[Archive, httpx.AsyncClient]) -> None:
    archive, browser = alone
    await archive.take(recorded([7]))
    await archive.take(asked(7))
    page = words((await browser.get(f"/authorisations/{trace_id(7)}")).text)
    missing = archive.find_now(trace_id(7)).missing
    assert missing and "Not all of it is here" in page
    assert all(sentence in page for sentence in missing)


async def test_the_first_step_that_differs_is_marked_and_linked(
    browser: httpx.AsyncClient, network: LocalNetwork, approved: Payment, wrong_merchant: Trace
) -> None:
    poor = await network.checkout(await network.save_card("insufficient-funds"), "12.40 USD")
    page = (await browser.get(f"/compare?a={approved.trace.trace_id}&b={poor.trace.trace_id[:16]}")).text
    assert 'first step that differs is <a href="#step-6">step 6</a>' in page
    assert page.count("differs first</span>") == 1
    sixth = words(page.split('id="step-6"')[1].split("</details>")[0])
    assert "differs first" in sixth and "response_code DE39 differs 00 51" in sixth
    same = (await browser.get(f"/compare?a={approved.trace.trace_id}&b={approved.trace.trace_id}")).text
    assert "No step differs" in same and " open>" not in same


async def test_the_lists_form_leads_to_the_comparison_the_older_one_first(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/compare?trace=bbbb1111&trace=aaaa2222")
    assert (answer.status_code, answer.headers["location"]) == (303, "/compare?a=aaaa2222&b=bbbb1111")


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("trace=aaaa", "trace: must be two"),
        ("trace=1&trace=2&trace=3", "trace: must be two"),
        ("a=aaaa1111", "b: must be a trace's identifier"),
        ("", "a: must be a trace's identifier"),
        ("a=a&b=b", "a: must be at least 4 digits"),
    ],
)
async def test_a_comparison_of_other_than_two_is_told_by_field_and_rule(
    alone: tuple[Archive, httpx.AsyncClient], query: str, sentence: str
) -> None:
    archive, browser = alone
    await archive.take(recorded([1]))
    answer = await browser.get(f"/compare?{query}".replace("aaaa1111", trace_id(1)))
    assert answer.status_code == 400 and sentence in words(answer.text)


RUBBISH = "<script>alert(1)</script>\u202e\x00\x1b[2J'\"&lt;{{ 7*7 }}"


async def test_spans_that_anybody_sent_are_shown_and_do_nothing(alone: tuple[Archive, httpx.AsyncClient]) -> None:
    archive, browser = alone
    more = {RUBBISH: RUBBISH, "payment_token": RUBBISH, "amount_minor": "9" * 5000, "long": "x" * 100_000}
    await archive.take(recorded([1, 2], code=RUBBISH, merchant=RUBBISH, **more))
    many = {f"field_{number}": "" for number in range(3_000)}
    await archive.take(recorded([3], **many))
    paths = ("/", f"/authorisations/{trace_id(1)}", f"/compare?a={trace_id(1)}&b={trace_id(2)}")
    for path in (*paths, f"/authorisations/{trace_id(3)}"):
        answer = await browser.get(path)
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text and "49" not in words(answer.text).split("{{ 7*7 }}")[0][-3:]
        shown = answer.text.split("<details>\n    <summary>Raw")[0]
        assert "\u202e" not in shown and "\x1b" not in shown and "\x00" not in shown
        assert "x" * 1_000 not in shown


async def test_no_page_asks_anybody_else_or_holds_a_script_or_style_within(
    browser: httpx.AsyncClient, approved: Payment
) -> None:
    one = approved.trace.trace_id
    for path in ("/", f"/authorisations/{one}", f"/compare?a={one}&b={one}", "/nowhere"):
        answer = await browser.get(path)
        page = answer.text
        assert not re.search(r"(?:src|href|action)=\"(?:https?:)?//", page)
        assert not re.search(r"<script(?![^>]* src=)", page) and " style=" not in page and " onclick=" not in page
        assert "'unsafe" not in answer.headers["content-security-policy"]
        assert page.count("<h1") == 1 and page.count("<main") == 1 and page.count("<nav") >= 1


async def test_no_page_and_no_file_holds_a_number_of_card_or_token(
    browser: httpx.AsyncClient, network: LocalNetwork, approved: Payment
) -> None:
    card = known_card("approved")
    one = approved.trace.trace_id
    paths = ["/", f"/compare?a={one}&b={one}", *(f"/authorisations/{one}{end}" for end in ENDINGS)]
    spans = (await browser.get(f"/authorisations/{one}.otlp.json")).text
    # Of 16 hexadecimal digits each, which may all be decimal. So may those of the payment's idempotency key, "pay…".
    names = {*re.findall(r'[sS]panId": "([0-9a-f]{16})"', spans)}
    assert names
    for page in await asyncio.gather(*map(browser.get, paths)):
        assert page.status_code == 200
        assert card.pan not in page.text and card.pan[:12] not in page.text
        assert {*re.findall(r"(?<![0-9a-f])(?<!\bpay)[0-9]{16}(?![0-9a-f])", page.text)} <= names


ENDINGS = ("", ".json", ".otlp.json", ".svg", ".mmd")
