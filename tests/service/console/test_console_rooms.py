"""What holds in all rooms of the console, and what topology and tokens say: no browser, and so no script."""

import asyncio
import re
from html import unescape

import httpx
import pytest
from console_visit import PAGE, browser_at
from page_words import words
from patience import AMPLE_S, patient

from cardnet.cli import collected
from cardnet.console.site import Console
from cardnet.embedded_store import EmbeddedStore
from cardnet.testing import LocalNetwork
from cardnet.testing.payment import Payment
from cardnet.traces.archive import Archive

pytestmark = pytest.mark.asyncio(loop_scope="module")


def current(page: str) -> list[str]:
    """The rooms that the navigation marks as the one that one is in."""
    return re.findall(r'<a href="([a-z/]+)" aria-current="(?:page|true)">', page)


async def test_the_room_one_is_in_is_marked_on_each_of_its_pages(browser: httpx.AsyncClient, approved: Payment) -> None:
    one, token = approved.trace.trace_id, await a_token(browser)
    rooms = {"/": "/", f"/authorisations/{one}": "/", f"/compare?a={one}&b={one}": "/", "/topology": "/topology"}
    for path, room in (rooms | {"/tokens": "/tokens", token: "/tokens"}).items():
        assert current((await browser.get(path)).text) == [room], path
    assert current((await browser.get("/nowhere")).text) == []


async def a_token(browser: httpx.AsyncClient) -> str:
    return str(re.search(r'"(/tokens/[0-9a-f]{32})"', (await browser.get("/tokens")).text)[1])  # type: ignore[index]


async def test_a_token_is_told_alike_in_the_list_and_on_its_page(browser: httpx.AsyncClient, approved: Payment) -> None:
    token = await a_token(browser)
    expiry = approved.trace.steps[0].fields["token_expiry"]
    listed = (await browser.get("/tokens")).text.split(f'"{token}"')[1].split("</tr>")[0]
    assert re.fullmatch("[0-9]{4}", expiry) and f">{expiry}</td>" in listed
    assert f"expiry {expiry}" in words((await browser.get(token)).text)


async def test_what_the_operator_did_is_told_as_the_operators(
    browser: httpx.AsyncClient, network: LocalNetwork, approved: Payment
) -> None:
    token, same = await a_token(browser), {"origin": network.console_origin}
    done: dict[str, str] = {}
    for action, party in (("suspend", "operator"), ("suspend", "issuer"), ("resume", "issuer"), ("resume", "operator")):
        done = {"action": action, "party": party, "cause": "other"}
        assert (await browser.post(token, data=done, headers=same)).status_code == 303

    async with asyncio.timeout(AMPLE_S):
        page = ""
        while page.count('data-label="by"') < 4:
            page = (await browser.get(token)).text
    assert re.findall(r'data-label="by">([a-z]+)<', page) == ["operator", "issuer", "issuer", "operator"]


async def test_commands_on_pages_ask_the_network_that_the_pages_are_of(
    browser: httpx.AsyncClient, network: LocalNetwork, approved: Payment
) -> None:
    trace, token = approved.trace.trace_id, await a_token(browser)
    port = network.addresses["merchant"].rpartition(":")[2]
    page = words((await browser.get(f"/authorisations/{trace}")).text)
    assert f"cardnet trace {trace} --collector {network.collector_address} " in page
    page = words((await browser.get(token)).text)
    assert f"cardnet tokens suspend {token.removeprefix('/tokens/')[:8]} --network {port} " in page


async def test_a_bug_is_told_without_its_text_and_without_guessing_who_serves_the_console(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("what nobody is to read")

    archive = Archive()
    monkeypatch.setattr(archive, "entries", broken)
    async with browser_at(Console(archive)) as browser:
        answer = await browser.get("/")
    assert answer.status_code == 500 and "the log of the process that serves it says what" in words(answer.text)
    assert "nobody is to read" not in answer.text and "cardnet up" not in answer.text


async def test_the_topology_has_the_one_store_with_its_own_state(
    browser: httpx.AsyncClient, network: LocalNetwork
) -> None:
    assert network.store
    page = (await browser.get("/topology")).text
    assert page.count('class="box store"') == 1 and page.count("<ellipse") == 1
    assert f"store running · {network.store.server} " in words(page)
    assert "There is one store, with a user for each service, who sees no other's keys." in words(page)
    assert (await browser.get("/topology.json")).json()["store"]["word"] == "running"
    network.store.pause()
    try:
        assert network.store.state == "paused"
    finally:
        network.store.resume()
    assert network.store.state == "running"


async def test_of_stores_that_were_set_the_topology_says_whose() -> None:
    with EmbeddedStore.start(None, ("tsp",)) as other:
        urls = {"tsp": other.url("tsp")}
        async with (
            LocalNetwork(in_process=True, console=True, redis_urls=urls, settings=patient()) as network,
            httpx.AsyncClient(base_url=network.console_origin, timeout=30, headers=PAGE) as browser,
        ):
            page = words((await browser.get("/topology")).text)
    assert "There is one store, with a user for each service, who sees no other's keys; tsp: in the store that" in page


async def test_beside_a_collector_no_store_is_drawn_and_commands_name_the_cardholder() -> None:
    async with browser_at(collected.console_of(Archive(), {}, "cardholder")) as browser:
        page = (await browser.get("/topology")).text
        assert "<ellipse" not in page and "store" not in (await browser.get("/topology.json")).json()
        assert "known by its calls not known" in words(page)
        assert "Their stores are not looked at from here" in words(page)
        empty = words((await browser.get("/")).text)
        assert "cardnet pay --card approved --amount 12.40 --identities ./cardholder " in empty
        assert "trigger" not in empty


async def test_a_card_that_is_replaced_keeps_its_token_and_is_paid_with_by_its_new_number(
    browser: httpx.AsyncClient, network: LocalNetwork
) -> None:
    saved, origin = await network.save_card("replaced"), {"origin": network.console_origin}
    assert (await network.checkout(saved, "12.40 USD")).response_code == "41"
    form = {"card": "replaced", "number": "replaced's successor", "party": "issuer"}
    page = (await browser.get("/tokens")).text
    assert 'action="/tokens"' in page and "9999000000001424" not in page and "••••1424" in page
    done = await browser.post("/tokens", data=form, headers=origin)
    assert (done.status_code, done.headers["location"]) == (303, "/tokens")
    assert (await network.checkout(saved, "12.40 USD")).response_code == "00"
    refused = await browser.post("/tokens", data=form | {"card": "stolen"}, headers=origin)
    assert refused.status_code == 409
    assert "Refused to give stolen the number of replaced's successor. 14 " in unescape(words(refused.text))


async def test_a_card_is_replaced_by_a_card_that_there_is_alone(
    browser: httpx.AsyncClient, network: LocalNetwork, approved: Payment
) -> None:
    origin, form = {"origin": network.console_origin}, {"card": "approved", "number": "lost", "party": "issuer"}
    for name, wrong in (("card", "4111"), ("number", ""), ("party", "requestor")):
        refused = await browser.post("/tokens", data=form | {name: wrong}, headers=origin)
        assert refused.status_code == 400 and f"{name}: must be one of " in words(refused.text), name
        assert "4111" not in words(refused.text)
    assert (await browser.post("/tokens", data=form, headers={"origin": "http://elsewhere.test"})).status_code == 403
