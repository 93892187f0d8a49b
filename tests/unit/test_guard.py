"""What every web face refuses, whatever is behind it."""

import logging
from collections.abc import AsyncIterator
from html import unescape

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from cardnet.guard import MAX_BODY_BYTES, Guard

ORIGIN = "http://localhost:8750"


async def echo(request: Request) -> Response:
    return PlainTextResponse((await request.body()).decode())


async def broken(request: Request) -> Response:
    raise RuntimeError("a secret")


APP = Starlette(routes=[Route("/", echo, methods=["GET", "POST"]), Route("/broken", broken)])
GUARDED = Guard(APP, ORIGIN, policy="default-src 'none'", writers=["https://shop.example"])


@pytest.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(GUARDED), base_url=ORIGIN) as browser:
        yield browser


async def pieces(number: int) -> AsyncIterator[bytes]:
    for _ in range(number):
        yield b"x" * 1_000


@pytest.mark.parametrize("origin", [ORIGIN, "https://shop.example"])
async def test_its_own_pages_and_registered_ones_may_write(browser: httpx.AsyncClient, origin: str) -> None:
    answer = await browser.post("/", content=pieces(3), headers={"origin": origin})
    assert (answer.status_code, len(answer.text)) == (200, 3_000)


@pytest.mark.parametrize("origin", ["", "null", "http://localhost:8751", "https://shop.example.evil", ORIGIN.upper()])
async def test_nobody_else_writes(browser: httpx.AsyncClient, origin: str) -> None:
    assert (await browser.post("/", content=b"x", headers={"origin": origin})).status_code == 403
    assert (await browser.post("/", content=b"x")).status_code == 403


@pytest.mark.parametrize("said", [True, False])
async def test_a_body_that_is_too_long_is_refused_whether_its_length_was_said_or_not(
    browser: httpx.AsyncClient, said: bool, caplog: pytest.LogCaptureFixture
) -> None:
    content = b"x" * (MAX_BODY_BYTES + 1) if said else pieces(MAX_BODY_BYTES // 1_000 + 1)
    answer = await browser.post("/", content=content, headers={"origin": ORIGIN})
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
    assert not caplog.records


async def test_who_hangs_up_while_it_speaks_is_not_answered(caplog: pytest.LogCaptureFixture) -> None:
    said = iter([{"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.disconnect"}])
    answers: list[object] = []

    async def receive() -> dict[str, object]:
        return next(said)

    async def send(message: object) -> None:
        answers.append(message)

    headers = [(b"host", b"localhost:8750"), (b"origin", ORIGIN.encode())]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers, "query_string": b""}
    await GUARDED(scope, receive, send)  # type: ignore[arg-type]
    assert not answers and not caplog.records


async def test_another_name_is_led_to_the_right_one_with_all_that_was_asked(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/orders?a=b", headers={"host": "evil.example"})
    assert (answer.status_code, answer.headers["location"]) == (307, f"{ORIGIN}/orders?a=b")
    assert (await browser.post("/", headers={"host": "evil.example", "origin": ORIGIN})).status_code == 421


async def test_what_breaks_inside_is_not_told(browser: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.CRITICAL):
        answer = await browser.get("/broken")
    assert answer.status_code == 500 and "secret" not in answer.text


async def test_every_answer_says_what_a_page_may_do(browser: httpx.AsyncClient) -> None:
    for answer in (await browser.get("/"), await browser.post("/")):
        assert answer.headers["content-security-policy"] == "default-src 'none'"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("status", "headers", "content"),
    [
        (403, {"origin": "http://elsewhere.example"}, b"x"),
        (413, {"origin": ORIGIN}, b"x" * (MAX_BODY_BYTES + 1)),
        (421, {"host": "elsewhere.example"}, b"x"),
    ],
)
async def test_a_person_is_told_of_a_refusal_by_a_page_and_a_script_by_data(
    browser: httpx.AsyncClient, status: int, headers: dict[str, str], content: bytes
) -> None:
    reads = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"
    page = await browser.post("/", content=content, headers=headers | {"accept": reads})
    data = await browser.post("/", content=content, headers=headers)
    assert page.status_code == data.status_code == status
    assert page.headers["content-type"].startswith("text/html") and "<h1>" in page.text
    assert page.headers["content-security-policy"] == "default-src 'none'"
    assert data.headers["content-type"] == "application/problem+json"
    detail = data.json()["detail"]
    assert detail[1:] in unescape(page.text)


async def test_a_person_is_told_that_something_broke_and_not_what() -> None:
    async def broken_at_once(*_: object) -> None:
        raise RuntimeError("a secret")

    transport = httpx.ASGITransport(Guard(broken_at_once, ORIGIN, policy="default-src 'none'"))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as browser:
        page = await browser.get("/", headers={"accept": "text/html"})
        data = await browser.get("/")
    assert page.status_code == data.status_code == 500
    assert "secret" not in page.text + data.text
    assert "Something broke here" in page.text and "something broke here" in data.json()["detail"]
