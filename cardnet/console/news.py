"""What comes while somebody looks at the list: told by server-sent events, often enough to look alive and no more."""

import asyncio
import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from cardnet.console.authorisations import SHOWN, counts_of
from cardnet.console.pages import Pages
from cardnet.problem import problem
from cardnet.traces.archive import KEPT, Archive
from cardnet.traces.entry import Entry, Filter

MOST_LINES = 20
"""Lines in one message: the newest. Counts are of all. Only the first message has the whole list."""

LINES_PER_S = 10
"""Lines told a second for as long as more come: nobody reads faster."""

HANDFUL = 5
"""Lines that are told together while more come than are told: each time, a page has to move its whole list."""

MOST_ROWS = 200
"""Lines of the whole list for a page that says it lists more than one that is loaded does. It keeps no more itself."""

MOST_KNOWN = 1_000
"""Lines of which a page is told what becomes of them: the newest. It keeps fewer itself, unless they are marked."""

EVERY_S = 0.25
"""How long after a message the next may follow."""

AT_LEAST_EVERY_S = 15.0
"""How long nothing is said at the most, so that it is noticed when a browser has gone."""

MOST_LISTENERS = 32


def routes(archive: Archive, pages: Pages, closing: asyncio.Event) -> list[Route]:
    """The stream of this room. closing: when it is set, all who listen are let go."""
    listening: set[Listener] = set()

    @lru_cache(maxsize=2 * SHOWN)
    def line(entry: Entry) -> str:
        return pages.part("line.html", entry=entry)

    def shown(wanted: Filter, many: int) -> str:
        return pages.part("shown.html", shown=many, matching=archive.count(wanted), wanted=wanted)

    def message(listener: Listener) -> str:
        news = listener.take(asyncio.get_running_loop().time())
        told = {
            "counts": counts_of(archive),
            "seen": news.seen,
            "matched": news.matched,
            "whole": shown(listener.wanted, len(news.lines)) if news.whole else "",
            "lines": [{"id": entry.trace_id, "html": line(entry)} for entry in (*news.lines, *news.marked)],
            "updates": [{"id": id_, "html": line(entry) if entry else ""} for id_, entry in news.updates.items()],
        }
        return f"id: {news.seen}\nevent: news\ndata: {json.dumps(told)}\n\n"

    async def messages(listener: Listener) -> AsyncIterator[str]:
        yield "retry: 1000\n\n"
        while not closing.is_set():
            yield message(listener)
            await asyncio.sleep(EVERY_S)
            await listener.news(AT_LEAST_EVERY_S)

    async def events(request: Request) -> Response:
        rows = _number(request.query_params.get("rows", "")) or 0
        many = min(max(SHOWN, rows), MOST_ROWS)
        marked = request.query_params.get("marked", "").split(",")[:MOST_ROWS]
        listener = Listener(archive, Filter.parse(request.url.query), _known_to(request), many, marked)
        if len(listening) >= MOST_LISTENERS:
            return problem(503, f"{MOST_LISTENERS} pages are told of news already: close one")
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        return _Stream(messages(listener), listener, listening, closing)

    return [Route("/events", events)]


class News(NamedTuple):
    """What somebody who looks at the list is told at once."""

    seen: int
    """How many authorisations there had been when lines were last taken: of later ones the page was told nothing."""
    matched: int
    """How many matched since lines were last taken."""
    lines: list[Entry]
    """The newest of those, newest first."""
    whole: bool
    """Whether the lines are the whole list, as a page that is loaded now has it."""
    updates: dict[str, Entry | None]
    """Lines that the page knew and that have changed, by trace; None where one is not wanted any more."""
    marked: list[Entry]
    """With the whole list, the lines below it that are marked on the page, newest first."""


class Listener:
    """Somebody who looks at the list: what matched since it was last told, and the newest lines of it."""

    def __init__(
        self, archive: Archive, wanted: Filter, known: int | None, many: int = SHOWN, marked: Iterable[str] = ()
    ) -> None:
        """Begins with the whole list: what changed while the page was loading, or away, it was told of by nobody.

        known: how many authorisations there were when the page was last told; what came since is counted, too.
        many: lines of the whole list. marked: traces that it has besides, as long as they are kept.
        """
        self.wanted, self._many, self._marked = wanted, many, frozenset(marked)
        self._archive, self._seen = archive, archive.seen
        self._lines = OrderedDict((entry.trace_id, entry) for entry in reversed(archive.entries(wanted, many)))
        self._known: OrderedDict[str, Entry] = OrderedDict()
        self._updates: dict[str, Entry | None] = {}
        self._taken = archive.seen
        self._room: Room | None = None
        self._matched = 0 if known is None else sum(map(wanted.matches, archive.entries(limit=_since(known, archive))))
        self._news = asyncio.Event()

    def told(self, entry: Entry) -> None:
        """Take a line, or what became of one; the oldest goes when there are too many."""
        is_new, self._seen = self._archive.seen != self._seen, self._archive.seen
        matches = self.wanted.matches(entry)
        self._matched += is_new and matches  # one of which more has come is not counted again
        if entry.trace_id in self._lines and not matches:
            del self._lines[entry.trace_id]
            self._matched = max(0, self._matched - 1)
        elif entry.trace_id in self._known and entry.trace_id not in self._lines:
            self._updates[entry.trace_id] = entry if matches else None
        elif matches and (is_new or entry.trace_id in self._lines or not self._is_below(entry)):
            self._lines[entry.trace_id] = entry
            if len(self._lines) > (MOST_LINES if self._room else self._many):  # until it is told, it is the whole list
                self._lines.popitem(last=False)
        self.wake()

    def _is_below(self, entry: Entry) -> bool:
        """Whether a line is older than all that the page knows, and that is as many as it is loaded with."""
        known = self._known or self._lines  # until it is told, these are the whole list
        return len(known) >= self._many and entry.started_ns < next(iter(known.values())).started_ns

    def take(self, now_s: float) -> News:
        """What there is to tell; no lines while there is room for none: they wait for the next time.

        That then comes by itself. Updates need no room: they move nothing. Nor does the whole list, the first that
        is told. now_s: the time by any clock that does not go back.
        """
        whole = self._room is None
        room = self._room.take(len(self._lines), now_s) if self._room else self._many
        self._room = self._room or Room()
        updates, self._updates = self._updates, {}
        if self._lines and not room:
            news = News(self._taken, 0, [], whole, updates, [])
        else:
            self._taken = self._seen
            lines, marked = list(reversed(self._lines.values()))[:room], self._marked_below() if whole else []
            news = News(self._seen, self._matched, lines, whole, updates, marked)
            self._matched = 0
            self._lines.clear()
            self._news.clear()
        self._remember(news)
        return news

    def _marked_below(self) -> list[Entry]:
        if not self._marked:
            return []
        kept = self._archive.entries(self.wanted, KEPT)
        return [entry for entry in kept if entry.trace_id in self._marked and entry.trace_id not in self._lines]

    def _remember(self, news: News) -> None:
        for trace_id, entry in news.updates.items():
            if entry is None:
                self._known.pop(trace_id, None)  # should it be wanted again, it is a new line
        for entry in (*reversed(news.lines), *news.marked):  # those last: where the list ends is told by the first
            self._known[entry.trace_id] = entry
            self._known.move_to_end(entry.trace_id)
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)

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


class Room:
    """How many lines may be told: a whole message's after a while of few, so that a short burst is listed in full."""

    def __init__(self) -> None:
        self._room, self._at_s = float(MOST_LINES), 0.0

    def take(self, wanted: int, now_s: float) -> int:
        """Of so many lines, how many there is room for: all, or a handful at least, or none as yet.

        now_s: the time by any clock that does not go back.
        """
        self._room = min(MOST_LINES, self._room + LINES_PER_S * (now_s - self._at_s))
        self._at_s = now_s
        if self._room < min(wanted, HANDFUL):
            return 0
        taken = min(wanted, int(self._room))
        self._room -= taken
        return taken


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
    return _number(request.headers.get("last-event-id") or request.query_params.get("after", ""))


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else None


def _since(known: int, archive: Archive) -> int:
    """How many came since; all, where the page knows another console that was here before."""
    return archive.seen - known if archive.seen >= known else archive.seen
