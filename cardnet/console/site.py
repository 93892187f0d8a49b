"""The console as one web application. What it shows is masked already; it asks nothing of anybody else's servers."""

import asyncio
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from cardnet.console import authorisation, authorisations, comparison, faults, news, tokens, topology
from cardnet.console.commands import Commands
from cardnet.console.levers import Levers
from cardnet.console.pages import STATIC, Pages
from cardnet.console.token_desk import TokenDesk
from cardnet.console.topology import Topology
from cardnet.errors import Fault
from cardnet.guard import Guard
from cardnet.problem import problem, problem_of, reads_pages
from cardnet.traces.archive import Archive

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)


@dataclass(frozen=True)
class Console:
    """What the console looks at. What is None is not offered."""

    archive: Archive
    topology: Topology | None = None
    levers: Levers | None = None
    """Only on a network that was started to be disturbed."""
    tokens: TokenDesk | None = None
    """Only where an operator is let in."""
    commands: Commands = field(default_factory=Commands)
    """What is typed in a terminal to ask the same network."""
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the console closes: whoever is told of news is let go."""


def site(console: Console, origin: str) -> Guard:
    """The application behind its guard. origin: its own, as browsers write it."""
    rooms = [("/", "Authorisations")]
    if console.topology:
        rooms.append(("/topology", "Topology"))
    if console.tokens:
        rooms.append(("/tokens", "Tokens"))
    pages = Pages(tuple(rooms), console.commands)
    routes = [
        *authorisations.routes(console.archive, pages),
        *news.routes(console.archive, pages, console.closing),
        *authorisation.routes(console.archive, pages),
        *comparison.routes(console.archive, pages),
    ]
    if console.topology:
        routes += topology.routes(console.topology, console.levers, pages)
        routes += faults.routes(console.levers, console.topology) if console.levers else []
    if console.tokens:
        routes += tokens.routes(console.tokens, pages)
    app = Starlette(
        routes=[*routes, Mount("/static", StaticFiles(directory=STATIC))],
        exception_handlers={Fault: _told(pages), HTTPException: _said(pages), Exception: _said(pages)},
    )
    # With "no-referrer" a browser writes "null" for the origin of a form that it posts.
    return Guard(app, origin, policy=POLICY, referrer="same-origin")


def _told(pages: Pages):  # type: ignore[no-untyped-def]
    async def tell(request: Request, fault: Exception) -> Response:
        assert isinstance(fault, Fault)
        answer = problem_of(fault)
        return _page(pages, request, answer.status_code, str(fault)) or answer

    return tell


def _said(pages: Pages):  # type: ignore[no-untyped-def]
    """What has no page is said by its status; so is a bug, whose text goes to the log alone."""

    async def tell(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        sentence = _SENTENCES.get(status, HTTPStatus(status).phrase)
        return _page(pages, request, status, sentence) or problem(status, sentence)

    return tell


def _page(pages: Pages, request: Request, status: int, sentence: str) -> Response | None:
    """The page on which a refusal is told; None for a program, which does not ask for pages."""
    if not reads_pages(request.headers):
        return None
    return pages.show(request, "error.html", status, sentence=sentence, title=_TITLES.get(status, "Not possible"))


_SENTENCES = {
    404: "There is no such page.",
    405: "This address is not asked that way.",
    500: "Something broke in this console; the log of the process that serves it says what.",
}

_TITLES = {400: "This cannot be read", 404: "Not found", 500: "Broken", 503: "Not now"}
