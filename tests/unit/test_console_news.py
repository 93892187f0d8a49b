"""What a page is told while authorisations come: exact counts, few messages, and an end."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import accumulate
from typing import Any

import httpx
import pytest
import pytest_asyncio
from patience import AMPLE_S
from told import recorded, trace_id

from cardnet.console.authorisations import SHOWN
from cardnet.console.news import EVERY_S, HANDFUL, LINES_PER_S, MOST_LINES, MOST_LISTENERS, Room
from cardnet.console.served import ServedConsole
from cardnet.console.site import Console
from cardnet.testing.ports import Ports
from cardnet.traces import archive as archives
from cardnet.traces.archive import Archive

MANY, AT_ONCE = 4_000, 50


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Archive:
    monkeypatch.setattr(archives, "SETTLES_AGAIN_S", 0)  # else who reads a line again reads it a little later
    return Archive()


@pytest_asyncio.fixture
async def console(archive: Archive) -> AsyncIterator[ServedConsole]:
    ports = Ports()
    console = ServedConsole(Console(archive), ports.take())
    await console.open()
    yield console
    await console.close()
    ports.release()


@pytest_asyncio.fixture
async def browser(console: ServedConsole) -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=console.origin, timeout=AMPLE_S, limits=limits) as browser:
        yield browser


@asynccontextmanager
async def listening(browser: httpx.AsyncClient, query: str = "") -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """The messages of one who listens."""
    async with browser.stream("GET", f"/events?{query}") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")

        async def messages() -> AsyncIterator[dict[str, Any]]:
            async for line in answer.aiter_lines():
                if line.startswith("id: "):
                    identifier = int(line.removeprefix("id: "))
                if line.startswith("data: "):
                    message = json.loads(line.removeprefix("data: "))
                    assert message["seen"] == identifier, "what the page knows, the browser does"
                    yield message

        yield messages()


async def feed(archive: Archive, many: int) -> None:
    for first in range(1, many + 1, 2 * AT_ONCE):
        await archive.take(recorded(range(first, first + AT_ONCE)))
        await archive.take(recorded(range(first + AT_ONCE, first + 2 * AT_ONCE), code="51"))
        await asyncio.sleep(0)  # others' turn, as a network's sockets would let them have it


async def settled(messages: AsyncIterator[dict[str, Any]], seen: int, matching: int) -> list[dict[str, Any]]:
    told = []
    async for message in messages:
        told.append(message)
        if message["counts"]["seen"] == seen and sum(message["matched"] for message in told) >= matching:
            return told
    raise AssertionError("the stream ended")


@pytest.mark.parametrize(("query", "matching"), [("", MANY), ("outcome=refused", MANY // 2), ("code=05", 0)])
async def test_of_thousands_all_are_counted_and_only_the_newest_are_shown(
    archive: Archive, browser: httpx.AsyncClient, query: str, matching: int
) -> None:
    now = asyncio.get_running_loop().time
    began = now()  # before the first message goes out, after which the next may follow so soon
    async with listening(browser, query) as messages:
        assert (await anext(messages))["counts"]["seen"] == 0
        feeding = asyncio.create_task(feed(archive, MANY))
        told = await settled(messages, MANY, matching)
        await feeding
        assert len(told) <= (now() - began) / EVERY_S + 1
    assert told[-1]["counts"] == {
        "seen": MANY,
        "approved": MANY // 2,
        "refused": MANY // 2,
        "unanswered": 0,
        "lost": 0,
    }
    assert sum(message["matched"] for message in told) == matching
    assert max(len(message["lines"]) for message in told) == min(MOST_LINES, matching)
    if matching:
        assert told[-1]["lines"][0]["id"] == trace_id(MANY)


async def test_what_there_is_no_room_for_is_told_a_little_later(archive: Archive, browser: httpx.AsyncClient) -> None:
    async with listening(browser) as messages:
        await anext(messages)
        await archive.take(recorded(range(1, 2 * MOST_LINES + 1)))  # as many as there is room for
        first = await anext(messages)
        await archive.take(recorded(range(2 * MOST_LINES + 1, 4 * MOST_LINES + 1)))
        later = await settled(messages, 4 * MOST_LINES, 2 * MOST_LINES)
    assert (first["matched"], len(first["lines"])) == (2 * MOST_LINES, MOST_LINES)
    assert [bool(message["lines"]) for message in later] == [bool(message["matched"]) for message in later]
    assert later[-1]["lines"][0]["id"] == trace_id(4 * MOST_LINES)
    told = accumulate(message["matched"] for message in (first, *later))
    assert [message["seen"] for message in (first, *later)] == list(told), "to connect again with it loses nothing"


def test_a_short_burst_is_listed_in_full() -> None:
    room = Room()
    assert room.take(MOST_LINES, 1_000.0) == MOST_LINES
    assert room.take(MOST_LINES, 1_000.0 + MOST_LINES / LINES_PER_S) == MOST_LINES


def test_while_more_come_than_anybody_reads_a_handful_is_listed_at_a_time() -> None:
    room, steps = Room(), 400
    taken = [room.take(MOST_LINES, 1_000.0 + at * EVERY_S) for at in range(steps)]
    assert taken[0] == MOST_LINES
    assert all(one == 0 or one >= HANDFUL for one in taken)
    assert sum(taken[1:]) == pytest.approx(LINES_PER_S * EVERY_S * (steps - 1), abs=HANDFUL)


def test_few_are_listed_at_once_though_there_is_no_room_for_a_handful() -> None:
    room = Room()
    room.take(MOST_LINES, 1_000.0)
    assert room.take(1, 1_000.0) == 0
    assert room.take(1, 1_000.0 + 1 / LINES_PER_S) == 1


async def test_who_begins_to_listen_is_told_what_came_while_the_page_was_loading(
    archive: Archive, browser: httpx.AsyncClient
) -> None:
    await archive.take(recorded(range(1, 40)))
    async with listening(browser) as messages:
        first = await anext(messages)
        await archive.take(recorded([40]))
        second = await anext(messages)
    assert [line["id"] for line in first["lines"]] == [trace_id(number) for number in range(39, 0, -1)]
    assert (first["matched"], first["whole"]) == (0, "The newest 39 of 39 kept.")
    assert not second["whole"], "once is enough"


async def test_of_a_long_list_the_newest_are_told_and_how_many_there_are(
    archive: Archive, browser: httpx.AsyncClient
) -> None:
    await archive.take(recorded(range(1, 2 * SHOWN + 1)))
    async with listening(browser, "outcome=approved") as messages:
        first = await anext(messages)
    assert [line["id"] for line in first["lines"]] == [trace_id(number) for number in range(2 * SHOWN, SHOWN, -1)]
    assert first["whole"] == "The newest 100 of 200 kept that match."


@pytest.mark.parametrize(("rows", "many"), [("150", 150), ("1000", 200), ("3", SHOWN), ("", SHOWN), ("-1", SHOWN)])
async def test_a_page_that_lists_more_is_told_as_many_again(
    archive: Archive, browser: httpx.AsyncClient, rows: str, many: int
) -> None:
    await archive.take(recorded(range(1, 301)))
    async with listening(browser, f"rows={rows}") as messages:
        first = await anext(messages)
    assert [line["id"] for line in first["lines"]] == [trace_id(number) for number in range(300, 300 - many, -1)]
    assert first["whole"] == f"The newest {many} of 300 kept."


@pytest.mark.parametrize(
    ("query", "header", "matched"),
    [
        *(("after=4", "", 35), ("after=4&outcome=refused", "", 15), ("after=39", "", 0), ("after=4", "30", 9)),
        *(("after=1000", "", 39), ("after=", "", 0), ("after=²", "", 0), ("after=-1", "", 0), ("", "x", 0)),
    ],
)
async def test_who_connects_again_is_told_how_many_came_meanwhile(
    archive: Archive, browser: httpx.AsyncClient, query: str, header: str, matched: int
) -> None:
    await archive.take(recorded(range(1, 25)))
    await archive.take(recorded(range(25, 40), code="51"))
    async with browser.stream("GET", f"/events?{query}", headers={"last-event-id": header} if header else {}) as answer:
        lines = [line async for line in until_told(answer)]
    assert json.loads(lines[-1].removeprefix("data: "))["matched"] == matched
    assert "id: 39" in lines


async def until_told(answer: httpx.Response) -> AsyncIterator[str]:
    async for line in answer.aiter_lines():
        yield line
        if line.startswith("data: "):
            return


async def test_an_authorisation_of_which_more_comes_is_told_again_and_counted_once(
    archive: Archive, browser: httpx.AsyncClient
) -> None:
    async with listening(browser) as messages:
        await anext(messages)
        await archive.take(recorded([1], code=""))
        first = await anext(messages)
        await archive.take(recorded([1], code="51"))
        second = await anext(messages)
    assert (first["matched"], second["matched"]) == (1, 0)
    assert [line["id"] for line in second["updates"]] == [trace_id(1)]
    assert not second["lines"], "so a page that has let go of the line does not list it anew"
    assert second["counts"]["seen"] == 1


async def test_one_that_is_wanted_no_more_is_told_as_nothing(archive: Archive, browser: httpx.AsyncClient) -> None:
    async with listening(browser, "outcome=unanswered") as messages:
        await anext(messages)
        await archive.take(recorded([1], code=""))
        await anext(messages)
        await archive.take(recorded([1], code="51"))
        assert (await anext(messages))["updates"] == [{"id": trace_id(1), "html": ""}]


async def test_a_line_is_escaped(archive: Archive, browser: httpx.AsyncClient) -> None:
    async with listening(browser) as messages:
        await anext(messages)
        await archive.take(recorded([1], merchant="<script>\u202e\n"))
        line = (await anext(messages))["lines"][0]["html"]
    assert "&lt;script&gt;" in line and "<script>" not in line and "\u202e" not in line


async def test_when_the_console_closes_who_listens_is_let_go(
    archive: Archive, console: ServedConsole, browser: httpx.AsyncClient
) -> None:
    async with listening(browser) as messages:
        await anext(messages)
        await asyncio.gather(console.close(), _end(messages))
    assert not archive.on_entry


async def test_who_goes_is_told_nothing_more(archive: Archive, browser: httpx.AsyncClient) -> None:
    async with listening(browser) as messages:
        await anext(messages)
        assert len(archive.on_entry) == 1
    async with asyncio.timeout(AMPLE_S):
        while archive.on_entry:  # noqa: ASYNC110 - a list is no Event
            await asyncio.sleep(0)


async def test_there_is_an_end_to_how_many_are_told(archive: Archive, browser: httpx.AsyncClient) -> None:
    streams = [browser.stream("GET", "/events") for _ in range(MOST_LISTENERS)]
    for stream in streams:
        assert (await stream.__aenter__()).status_code == 200
    assert len(archive.on_entry) == MOST_LISTENERS
    async with browser.stream("GET", "/events") as one_more:
        assert one_more.status_code == 503
    for stream in streams:
        await stream.__aexit__(None, None, None)


async def test_a_filter_that_cannot_be_is_refused_by_field_and_rule(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/events?code=5")
    assert (answer.status_code, answer.json()["field"]) == (400, "code")


async def test_who_asks_for_the_head_alone_is_not_told_news(archive: Archive, browser: httpx.AsyncClient) -> None:
    assert (await browser.head("/events")).status_code == 200
    assert not archive.on_entry


async def _end(messages: AsyncIterator[dict[str, Any]]) -> None:
    async for _ in messages:
        pass
