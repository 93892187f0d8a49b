"""What comes while somebody looks at the list: told by server-sent events, often enough to look alive and no more."""

import asyncio
import json
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import lru_cache

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from cardnet.console.authorisations import counts_of
from cardnet.console.pages import Pages
from cardnet.problem import problem
from cardnet.traces.archive import Archive
from cardnet.traces.entry import Entry, Filter

MOST_LINES = 20
"""Lines in one message: the newest. Counts are of all."""

EVERY_S = 0.25
"""How long after a message the next may follow."""

AT_LEAST_EVERY_S = 15.0
"""How long nothing is said at the most, so that it is noticed when a browser has gone."""

MOST_LISTENERS = 32


def routes(archive: Archive, pages: Pages, closing: asyncio.Event) -> list[Route]:
    """The stream of this room. closing: when it is set, all who listen are let go."""
    listening: set[Listener] = set()

    @lru_cache(maxsize=4 * MOST_LINES)
    def line(entry: Entry) -> str:
        return pages.part("line.html", entry=entry)

    def message(listener: Listener) -> str:
        matched, entries = listener.take()
        lines = [{"id": entry.trace_id, "html": line(entry)} for entry in entries]
        told = {"counts": counts_of(archive), "matched": matched, "lines": lines}
        return f"id: {archive.seen}\nevent: news\ndata: {json.dumps(told)}\n\n"

    async def messages(listener: Listener) -> AsyncIterator[str]:
        yield "retry: 1000\n\n"
        while not closing.is_set():
            yield message(listener)
            await asyncio.sleep(EVERY_S)
            await listener.news(AT_LEAST_EVERY_S)

    async def events(request: Request) -> Response:
        listener = Listener(archive, Filter.parse(request.url.query), _known_to(request))
        if len(listening) >= MOST_LISTENERS:
            return problem(503, f"{MOST_LISTENERS} pages are told of news already: close one")
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        return _Stream(messages(listener), listener, listening, closing)

    return [Route("/events", events)]


class Listener:
    """Somebody who looks at the list: what matched since it was last told, and the newest lines of it."""

    def __init__(self, archive: Archive, wanted: Filter, known: int | None) -> None:
        """Begins with the newest lines, so that a page misses none of what came while it was loading.

        known: how many authorisations there were when the page was last told; what came since is counted, too.
        """
        self._archive, self._wanted, self._seen = archive, wanted, archive.seen
        newest = reversed(archive.entries(wanted, MOST_LINES))
        self._lines = OrderedDict((entry.trace_id, entry) for entry in newest)
        self._matched = 0 if known is None else sum(map(wanted.matches, archive.entries(limit=_since(known, archive))))
        self._news = asyncio.Event()

    def told(self, entry: Entry) -> None:
        """Take a line; the oldest goes when there are too many."""
        is_new, self._seen = self._archive.seen != self._seen, self._archive.seen
        if self._wanted.matches(entry):
            self._matched += is_new  # one of which more has come is not counted again
            self._lines[entry.trace_id] = entry
            if len(self._lines) > MOST_LINES:
                self._lines.popitem(last=False)
        self.wake()

    def take(self) -> tuple[int, list[Entry]]:
        """How many matched since the last time, and the newest of them, newest first."""
        matched, lines = self._matched, list(reversed(self._lines.values()))
        self._matched = 0
        self._lines.clear()
        self._news.clear()
        return matched, lines

    async def news(self, within_s: float) -> None:
        """Wait until there is any, or the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._news.wait()

    def wake(self) -> None:
        """End its waiting."""
        self._news.set()

    def listen(self) -> None:
        """Begin to be told."""
        self._archive.on_entry.append(self.told)

    def leave(self) -> None:
        """Be told no more."""
        self._archive.on_entry.remove(self.told)


class _Stream(StreamingResponse):
    """Messages to one who listens, as long as the browser stays and the console is open."""

    def __init__(
        self, messages: AsyncIterator[str], listener: Listener, listening: set[Listener], closing: asyncio.Event
    ) -> None:
        super().__init__(messages, media_type="text/event-stream")
        self._listener, self._listening, self._closing = listener, listening, closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        closed = asyncio.create_task(self._closing.wait())
        closed.add_done_callback(lambda _: self._listener.wake())
        self._listener.listen()
        self._listening.add(self._listener)
        try:
            await super().__call__(scope, receive, send)
        finally:
            closed.cancel()
            self._listening.discard(self._listener)
            self._listener.leave()


def _known_to(request: Request) -> int | None:
    """How many authorisations the page knows of: the browser's own word, where it connects again by itself."""
    told = request.headers.get("last-event-id") or request.query_params.get("after", "")
    return int(told) if told.isascii() and told.isdigit() and len(told) <= 15 else None


def _since(known: int, archive: Archive) -> int:
    """How many came since; all, where the page knows another console that was here before."""
    return archive.seen - known if archive.seen >= known else archive.seen
