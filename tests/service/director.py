"""Nothing happens but what a director lets happen next: questions to a store or a neighbour wait until then.

The links stand for gRPC: a call whose connection breaks is asked again of the other instance, with the same bytes, and
whoever was asked first goes on with it.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from enum import Enum, auto
from typing import Any, NamedTuple

from neighbours import Wall, border
from patience import STORE_TIMEOUT_S

from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import Fault, Overloaded, TimedOut, Unavailable
from cardnet.journal import LIBRARY
from cardnet.reversals import Reversals
from cardnet.store import Store
from cardnet.wire import Link


class Died(Exception):
    """The instance is no more."""


class Fate(Enum):
    """What may befall a question that waits."""

    GOES_ON = auto()
    BREAKS = auto()
    """The connection to the neighbour; the neighbour goes on."""
    TIMES_OUT = auto()
    REFUSED = auto()
    """The neighbour takes nothing on. Certainly so only where it is asked for the first time."""
    DIES = auto()
    """Who asks."""


class Waiting(NamedTuple):
    """A question that waits to be let through, or its answer."""

    who: "Instance | None"
    to_neighbour: bool
    first: bool
    """Whether the neighbour is asked for the first time."""
    go: asyncio.Future[Fate]


class Director:
    """Decides what happens next. choices: numbers that say what, for as long as there are some; then all goes well."""

    def __init__(self, choices: list[int]) -> None:
        self._choices = list(choices)
        self._waiting: list[Waiting] = []
        self._busy = 0
        self.interrupt: Callable[[], None] = lambda: None
        """Something else that may happen."""
        self.seen: Counter[str] = Counter()

    async def gate(self, who: "Instance | None", *, to_neighbour: bool = False, first: bool = True) -> Fate:
        """Wait until something is decided."""
        if who and who.dead:
            raise Died
        waiting = Waiting(who, to_neighbour, first, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        fate = await waiting.go
        if who and who.dead:
            raise Died
        return fate

    async def doing(self, asked: Awaitable[Any]) -> Any:
        """A question to a real store, which takes its time."""
        self._busy += 1
        try:
            return await asked
        finally:
            self._busy -= 1

    async def play(self, task: asyncio.Task[Any]) -> None:
        """Let one thing happen after the other until the task is done."""
        while not task.done():
            await self._still()
            if task.done():
                return
            if self._waiting:
                self._next()

    async def play_out(self) -> None:
        """Let everything go well that still waits."""
        self._choices.clear()
        await self._still()
        while self._waiting:
            self._next()
            await self._still()

    async def _still(self) -> None:
        """Until everybody waits to be let through."""
        quiet = 0
        while quiet < 25:
            await asyncio.sleep(0.0005 if self._busy else 0)
            quiet = 0 if self._busy else quiet + 1

    def _next(self) -> None:
        choice = self._choices.pop(0) if self._choices else 0
        waiting = self._waiting[choice % len(self._waiting)]
        fate = self._fate_of(waiting, choice // 50)
        self.seen[fate.name] += 1
        if fate is Fate.DIES:
            for other in self._die(waiting):
                self._let(other, fate)
        else:
            self._let(waiting, fate)

    def _fate_of(self, waiting: Waiting, what: int) -> Fate:
        """Mostly it goes on."""
        if what == 19:
            self.interrupt()
        if waiting.to_neighbour and what in (13, 14, 15):
            return Fate.BREAKS
        if waiting.to_neighbour and what == 16:
            return Fate.TIMES_OUT
        if waiting.to_neighbour and waiting.first and what == 17:
            return Fate.REFUSED
        if waiting.who and waiting.who.may_die() and what == 18:
            return Fate.DIES
        return Fate.GOES_ON

    def _die(self, waiting: Waiting) -> list[Waiting]:
        assert waiting.who
        waiting.who.dead = True
        return [other for other in self._waiting if other.who is waiting.who]

    def _let(self, waiting: Waiting, fate: Fate) -> None:
        self._waiting.remove(waiting)
        waiting.go.set_result(fate)


class Instance:
    """One instance of a service: what it asks waits for the director, and it may die."""

    def __init__(self, director: Director, server: EmbeddedStore, name: str, clock: Wall) -> None:
        self.dead = False
        self.others: list[Instance] = []
        self.store = Store(server.url(name), LIBRARY, owner=name, timeout_s=STORE_TIMEOUT_S)
        self.border = border(name)
        self.clock = clock
        self.reversals: Reversals
        self._director = director
        call = self.store.call

        async def gated(*args: Any) -> Any:
            await director.gate(self)
            answer = await director.doing(call(*args))
            await director.gate(self)
            return answer

        self.store.call = gated  # type: ignore[method-assign]

    def may_die(self) -> bool:
        """The last one lives on: a service of which nobody is left is another story."""
        return not self.dead and any(not other.dead for other in self.others)


class Balanced:
    """A link to all instances of a neighbour, as gRPC has it with what repeats.py says."""

    def __init__(self, director: Director, who: Instance | None, links: list[tuple[Instance | None, Link]]) -> None:
        self._director = director
        self._who = who
        self._links = links

    async def call(self, method: str, data: bytes, metadata: Mapping[str, str], timeout_s: float) -> bytes:
        for attempt in range(4):
            instance, link = self._links[attempt % len(self._links)]
            if instance and instance.dead:
                continue
            fate = await self._director.gate(self._who, to_neighbour=True, first=attempt == 0)
            if fate is Fate.REFUSED:
                raise Overloaded("BUSY", "it has too much to do")
            more = {"grpc-previous-rpc-attempts": str(attempt)} if attempt else {}
            outcome = await self._ask(link.call(method, data, {**metadata, **more}, timeout_s), instance, fate)
            if isinstance(outcome, bytes):
                return outcome
        raise Unavailable("NEIGHBOUR_UNAVAILABLE", "no connection held")

    async def _ask(self, asking: Any, instance: Instance | None, fate: Fate) -> bytes | None:
        """The answer; None where the connection broke: at once, or before the answer was through."""
        asked = asyncio.ensure_future(asking)
        asked.add_done_callback(lambda done: done.cancelled() or done.exception())
        if fate is Fate.GOES_ON:
            with suppress(Fault):
                await asyncio.wait([asked])
            fate = await self._director.gate(self._who, to_neighbour=True, first=False)
        if fate is Fate.TIMES_OUT:
            raise TimedOut("NEIGHBOUR_TIMED_OUT", "no answer in time")
        if fate is Fate.BREAKS or (instance and instance.dead):
            self._director.seen["asked again"] += 1
            return None
        return await asked

    async def close(self) -> None:
        """Nothing to let go of."""
