"""The latest traces: each span that comes is kept here, until its trace is one of too many."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Mapping
from functools import partial
from math import inf
from pathlib import Path

from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from cardnet.errors import NotFound
from cardnet.rounds import every
from cardnet.traces.arrivals import Arrivals
from cardnet.traces.book import Book
from cardnet.traces.carried import masked_bytes, tell_all
from cardnet.traces.dropped import Dropped
from cardnet.traces.entry import Entry, Filter, OnEntry, entry_of
from cardnet.traces.kept import Kept, OnSpan, Sender, belongs, leave, sender_of, spans_in, the_one
from cardnet.traces.line import Line, line_of
from cardnet.traces.outcomes import Outcomes
from cardnet.traces.shelf import Shelf
from cardnet.traces.spans import trace_of
from cardnet.traces.trace import Trace
from cardnet.traces.unreadable import Unreadable

KEPT = 10_000
"""Traces kept; the oldest go first."""

MOST_BYTES = 128 * 1024 * 1024
"""About how much memory they may take; the oldest go first, too. A payment's trace takes 9 KiB."""

AT_A_TIME = 100
"""Spans, what they stand in, and kilobytes of them, that are taken before somebody else has a turn."""

BEGINS_WITHIN_S = 1.0
"""How long the first span of a trace may take to come: it is sent half a second after its call at the latest."""

SETTLES_WITHIN_S = 2.0
"""How long nothing of a trace comes until it counts as all that will come."""

SETTLES_AGAIN_S = 0.25
"""How long a trace that stands in the list already is left alone: whoever reads it again reads all of it."""

WRITTEN_WITHIN_S = 0.25
"""How often what has come is written to disk, where it is."""


class Archive:
    """Traces by their identifiers, and the authorisations among them as lines of a list."""

    def __init__(self, kept: int = KEPT, most_bytes: int = MOST_BYTES) -> None:
        """kept: how many traces at the most. most_bytes: about how much memory they may take."""
        self._most = kept
        self._traces = Shelf(kept, most_bytes)
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._unsettled: dict[str, float] = {}
        self._outcomes = Outcomes(4 * kept)  # spans of some come when all else of them was let go long ago
        self._arrivals = Arrivals()
        self._book: Book | None = None
        self.on_span: list[OnSpan] = []
        self.on_entry: list[OnEntry] = []
        self.evicted = 0
        """Traces that were let go to make room."""
        self.let_go = 0
        """Spans that were let go: with their traces, or because their trace had too many."""
        self._dropped = Dropped()
        self._unreadable = Unreadable()

    @property
    def size(self) -> int:
        """About how many bytes of memory the traces take."""
        return self._traces.size

    @property
    def seen(self) -> int:
        """Authorisations since the start, those that are no longer kept too."""
        return self._outcomes.seen

    @property
    def outcomes(self) -> Counter[str]:
        """How they ended: by `Entry.outcome`."""
        return self._outcomes.by_name

    @property
    def dropped_by(self) -> Mapping[str, int]:
        """Spans that each service had to drop."""
        return self._dropped.by_service

    @property
    def dropped(self) -> int:
        """How many spans are known to be here no more: those that services dropped, and those that were let go."""
        return self.let_go + sum(self.dropped_by.values())

    @property
    def lost(self) -> int:
        """How many spans services dropped, or could not be kept: what was let go for its age is not among them."""
        return sum(self.dropped_by.values()) + self.not_kept

    @property
    def not_kept(self) -> int:
        """Spans that should have been written to disk and were not."""
        return self._book.not_kept if self._book else 0

    async def keep_in(self, path: Path) -> None:
        """Keep traces in a file as well, and take up those that are in it already. To be called before anything comes.

        Never raises: where the file is of no use, that is logged, and `not_kept` counts.
        """
        await asyncio.to_thread(self._take_up, path)
        for trace_id in self._traces.keys() - self._entries.keys():
            self._look_at(trace_id)

    async def close(self) -> None:
        """Write what is still to be written: the lines of the list, too, as their traces are by now."""
        if self._book:
            for trace_id in [one for one in self._unsettled if one in self._entries]:  # `keep_in` looks at the others
                self._settle(trace_id)
            await self._write()
            await asyncio.to_thread(self._book.close)

    async def take(self, data: TracesData, *, searched: bool = False) -> None:
        """Take spans. Those without a cardnet call are kept too: a caller's trace may pass through other systems.

        Who hangs up meanwhile leaves only what was taken by then in the data. searched: no card number is in it.
        """
        touched, turn, taken = dict[str, None](), 0, 0  # in the order in which they came: so they stand in the list
        try:
            for came in spans_in(data, self._dropped.hear):
                if came and belongs(came[1]) and await self._keep(*came, searched):
                    touched[came[1].trace_id.hex()] = None
                taken += came is not None
                turn += 1 + (came[1].ByteSize() // 1_000 if came else 0)
                if turn > AT_A_TIME:  # payments may run on this loop
                    turn = await asyncio.sleep(0, 0)
            for trace_id in list(touched):
                turn += self._look_at(trace_id)
                del touched[trace_id]
                if turn > AT_A_TIME:
                    turn = await asyncio.sleep(0, 0)
        finally:  # whoever sends them may wait no longer: what has come of them is kept, and stands in the list
            leave(data, taken)
            for trace_id in touched:
                self._look_at(trace_id)
            await self._arrivals.tell()

    async def run(self) -> None:
        """Settle the traces of which nothing more comes, and write what is to be written, until cancelled."""
        async with asyncio.TaskGroup() as both:
            both.create_task(every(SETTLES_WITHIN_S / 4, self._settle_late))
            both.create_task(every(WRITTEN_WITHIN_S, self._write))

    async def find(self, beginning: str, within_s: float) -> Trace:
        """The trace whose identifier begins so: once it is complete, or as it stands when the time is over.

        Who failed to answer is waited for a second: whoever is not dead will have told of it by then. NotFound when
        nothing of it has come within a second; InvalidField when the beginning means several.
        """
        begins_within_s = min(within_s, BEGINS_WITHIN_S)
        await self._arrivals.wait(lambda: inf if the_one(beginning, self._traces) is None else -inf, begins_within_s)
        trace_id = self.identify(beginning)
        await self._arrivals.wait(
            lambda: self._traces[trace_id].awaited_until if trace_id in self._traces else -inf, within_s
        )
        return self.find_now(trace_id)

    def find_now(self, beginning: str) -> Trace:
        """The trace as it stands. NotFound, InvalidField."""
        trace_id = self.identify(beginning)
        return trace_of(trace_id, self._traces[trace_id].read())

    def spans(self, beginning: str) -> TracesData:
        """The spans of a trace as everybody reads them, those of one sender together. NotFound, InvalidField."""
        data = self._traces[self.identify(beginning)].traces_data()
        tell_all(data)
        return data

    def identify(self, beginning: str) -> str:
        """The identifier that begins so. NotFound, or InvalidField when several do."""
        trace_id = the_one(beginning, self._traces)
        if trace_id is None:
            raise NotFound(
                "TRACE_UNKNOWN", f"no such trace: it may be older than the last {self._most:,}, or of another network"
            )
        return trace_id

    def latest(self, limit: int) -> list[str]:
        """The identifiers of the latest traces with an authorisation in them, newest first."""
        payments = (id_ for id_ in reversed(self._traces) if self._traces[id_].checked_out)
        return [trace_id for trace_id, _ in zip(payments, range(limit), strict=False)]

    def entries(self, wanted: Filter | None = None, limit: int = 100) -> list[Entry]:
        """The latest authorisations that somebody wants to see, newest first."""
        found = (entry for entry in reversed(self._entries.values()) if wanted is None or wanted.matches(entry))
        return [entry for entry, _ in zip(found, range(limit), strict=False)]

    def count(self, wanted: Filter) -> int:
        """How many of those kept somebody wants to see."""
        return sum(map(wanted.matches, self._entries.values()))

    async def _settle_late(self) -> None:
        now = asyncio.get_running_loop().time()
        for trace_id in [one for one, at in self._unsettled.items() if now - at > SETTLES_WITHIN_S]:
            if trace_id in self._unsettled:
                self._settle(trace_id)
                await asyncio.sleep(0)  # thousands may be late at once

    async def _write(self) -> None:
        if self._book:
            self._book.mark(self._counts())  # here, where nothing comes between them and their lines
            await asyncio.to_thread(self._book.write)

    def _counts(self) -> dict[str, int]:
        return {"seen": self.seen, "evicted": self.evicted, "let_go": self.let_go, **self.outcomes}

    def _take_up(self, path: Path) -> None:
        book = self._book = Book(path)
        for trace_id, frame, data in book.rows():
            try:
                self._add(trace_id, sender_of(frame), data, Span.FromString(data))
            except Exception as error:  # noqa: BLE001 - somebody else may have written there
                self._unreadable.say(error)
        counts = book.counts()
        self._outcomes.seen = counts.pop("seen", 0)
        self.evicted += counts.pop("evicted", 0)
        self.let_go += counts.pop("let_go", 0)
        self.outcomes.update(counts)
        entries = book.entries()
        for trace_id in [one for one in self._traces if one in entries]:
            try:
                self._entries[trace_id], counted = line_of(entries[trace_id], partial(self.find_now, trace_id))
                self._outcomes.remember(trace_id, counted)
            except Exception as error:  # noqa: BLE001 - as with its spans
                self._unreadable.say(error)

    async def _keep(self, sender: Sender, span: Span, searched: bool) -> bool:
        """Keep a span. False where it was not: its trace has too many, or it is not as anybody expected."""
        kept = False
        try:
            trace_id, data = span.trace_id.hex(), span.SerializeToString() if searched else await masked_bytes(span)
            kept = self._add(trace_id, sender, data, span)
            if kept:
                self._traces[trace_id].came_at = asyncio.get_running_loop().time()
            if kept and self._book:
                self._book.add(trace_id, sender.frame, data)
            for told in self.on_span:
                told(sender.service, span)
        except Exception as error:  # noqa: BLE001 - what one sender sends must not cost another's traces
            self._unreadable.say(error)
        return kept

    def _add(self, trace_id: str, sender: Sender, data: bytes, span: Span) -> bool:
        """Put a span where it belongs, and let go of traces where there are too many. False: not kept."""
        taken = self._traces.put(trace_id, sender, data, span)
        self.let_go += not taken
        for gone, kept in self._traces.clear():
            self._forget(gone, kept)
        return taken and trace_id in self._traces

    def _forget(self, trace_id: str, kept: Kept) -> None:
        """Nothing is to be left of a trace that was let go, but that it is counted."""
        self._entries.pop(trace_id, None)
        self._unsettled.pop(trace_id, None)
        self.evicted += 1
        self.let_go += len(kept.spans)
        if self._book:
            self._book.forget(trace_id)

    def _look_at(self, trace_id: str) -> int:
        """Have a trace stand in the list as it is by now, at once or later. Gives its kilobytes, and one."""
        if trace_id not in self._traces:
            return 1
        kept, now = self._traces[trace_id], asyncio.get_running_loop().time()
        if kept.settled_at is not None and now - kept.settled_at < SETTLES_AGAIN_S:
            self._unsettled.setdefault(trace_id, now - SETTLES_WITHIN_S + SETTLES_AGAIN_S)
        elif kept.complete or trace_id in self._entries:
            self._settle(trace_id)
        elif kept.has_steps:
            self._unsettled[trace_id] = min(now, kept.awaited_until - SETTLES_WITHIN_S)
        return 1 + kept.size // 1_000

    def _settle(self, trace_id: str) -> None:
        self._unsettled.pop(trace_id, None)
        self._traces[trace_id].settled_at = asyncio.get_running_loop().time()
        try:
            self._enter(trace_id, entry_of(self.find_now(trace_id)))
        except Exception as error:  # noqa: BLE001 - one trace must not keep the others out of the list
            self._unreadable.say(error)

    def _enter(self, trace_id: str, entry: Entry) -> None:
        counted = self._outcomes.count(trace_id, entry.outcome)
        if self._book:
            self._book.enter(trace_id, Line(entry, counted).written())
        self._entries[trace_id] = entry
        for told in self.on_entry:
            told(entry)
