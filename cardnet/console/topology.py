"""The topology: who asks whom, how each service is and what it has to do."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cardnet.console.levers import MAY, Levers
from cardnet.console.pages import Pages
from cardnet.faults import ERRORS, KINDS, MOST_MS, MOST_TIMES, Switch, calls_of
from cardnet.identity import NEIGHBOURS
from cardnet.steps import SERVICES
from cardnet.traces.archive import Archive
from cardnet.traces.tally import Figures, Tally
from cardnet.traces.timing import spoken

ASKED_EVERY_S = 2.0
"""The services are asked how they are no more often, however many look; and not at all while nobody does."""

STORE = "store"
"""What the store is called among the programs' figures."""

PARTS = ("hops", "net-text")
"""Parts of the picture that an open page is told anew, each an element of that id and a template."""

_BOXES = {
    "wallet": (190, 8),
    "merchant": (20, 84),
    "acquirer": (20, 174),
    "network": (20, 264),
    "tsp": (190, 264),
    "issuer": (20, 354),
}
"""Where each program's box stands in the picture: left and top."""

_ARROWS = {
    "merchant-acquirer": ("M85 134 V174", 85, 149),
    "merchant-tsp": ("M150 109 H225 V264", 225, 186),
    "acquirer-network": ("M85 224 V264", 85, 239),
    "network-tsp": ("M150 289 H190", 166, 289),
    "network-issuer": ("M85 314 V354", 85, 329),
    "tsp-issuer": ("M255 314 V379 H150", 255, 346),
    "wallet-tsp": ("M285 58 V264", 285, 186),
}
"""Each hop's line, and where on it a switch is shown."""


@dataclass(frozen=True)
class Place:
    """A program as it was found."""

    name: str
    health: str
    """SERVING, NOT_SERVING, UNREACHABLE; empty for a program that says nothing of itself."""
    state: str
    """Of its process: as in `cardnet.testing.processes`; "running" where it has none of its own."""
    figures: Figures

    @property
    def word(self) -> str:
        """How it is, in a word."""
        if self.state != "running":
            return self.state
        return {"SERVING": "serving", "NOT_SERVING": "not serving", "": "running"}.get(self.health, "unreachable")

    @property
    def store(self) -> str:
        """How its store is, as far as its own health tells: it serves only where it reaches its store."""
        return {"serving": "reached", "not serving": "not reached, or something else is missing"}.get(
            self.word, "not known"
        )

    def cells(self) -> dict[str, str]:
        """What the page shows of it, in words."""
        known = self.figures
        none = known.ago_s is None
        return {
            "word": self.word,
            "store": self.store,
            "calls": f"{known.calls:,}",
            "rate": f"{known.rate:,.1f}/s",
            "errors": "–" if none else f"{known.errors:.1%}",
            "p50": "–" if none else spoken(known.p50_ms),
            "p99": "–" if none else spoken(known.p99_ms),
            "seen": "never" if known.ago_s is None else _ago(known.ago_s),
        }


@dataclass(frozen=True)
class Stores:
    """What the services keep their data in."""

    sentence: str
    """Whose data are where, for people."""
    server: str = ""
    """What runs, where that is known: "valkey 9.1.2 (bundled)"."""
    state: Callable[[], str] | None = None
    """How that server is: "running", "paused" or "ended"; None where it cannot be looked at from here."""


class Topology:
    """Looks at the programs of a network."""

    def __init__(
        self,
        archive: Archive,
        names: Sequence[str],
        health: Callable[[str], Awaitable[str]],
        state: Callable[[str], str],
        stores: Stores,
    ) -> None:
        """Counts the spans that come from now on. names: of the programs. health: what one says of itself.

        state: of its process. To be called on the event loop.
        """
        self.neighbours = {name: NEIGHBOURS[name] for name in names}
        self.stores = stores
        self._health, self._state, self._tally = health, state, Tally()
        self._known: dict[str, str] = {}
        self._asked_at = -ASKED_EVERY_S
        self._turn = asyncio.Lock()
        loop = asyncio.get_running_loop()
        archive.on_span.append(lambda service, span: self._tally.take(service, span, loop.time()))

    async def places(self) -> list[Place]:
        """All programs as they are, or were within the last two seconds."""
        loop = asyncio.get_running_loop()
        async with self._turn:
            if loop.time() - self._asked_at >= ASKED_EVERY_S:
                names = tuple(self.neighbours)
                self._known = dict(zip(names, await asyncio.gather(*map(self._asked, names)), strict=True))
                self._asked_at = loop.time()
        now_s = loop.time()
        return [
            Place(name, self._known[name], self._state(name), self._tally.figures(name, now_s))
            for name in self.neighbours
        ]

    def changed(self) -> None:
        """Have everybody asked anew: something was done to one of them."""
        self._asked_at = -ASKED_EVERY_S

    async def _asked(self, name: str) -> str:
        # The wallet is nobody's neighbour to ask: it has no certificate as a server, and no calls of its own.
        return await self._health(name) if self._state(name) == "running" and name in SERVICES else ""


def routes(topology: Topology, levers: Levers | None, pages: Pages) -> list[Route]:
    """The pages of this room."""

    def drawn(places: list[Place], switches: list[Switch]) -> dict[str, Any]:
        """What the picture's changing parts are made of."""
        return {"places": places, "stores": topology.stores, "arrows": _arrows(topology, switches)}

    async def index(request: Request) -> Response:
        places, switches = await topology.places(), _switches(levers)
        return pages.show(
            request,
            "topology.html",
            **drawn(places, switches),
            boxes=[(place, *_BOXES[place.name]) for place in places],
            switches=switches,
            levers=levers,
            may=MAY,
            forms=_choices(levers) if levers else {},
        )

    async def figures(_: Request) -> Response:
        places, switches = await topology.places(), _switches(levers)
        told: dict[str, Any] = {place.name: {**place.cells(), "may": MAY.get(place.state, ())} for place in places}
        if state := topology.stores.state:
            told[STORE] = {"word": state(), "may": ()}
        made_of = drawn(places, switches)
        told["parts"] = {name: pages.part(f"{name}.html", **made_of) for name in PARTS}
        if levers:
            told["switches"] = {switch.id: pages.part("switch.html", switch=switch) for switch in switches}
        return JSONResponse(told)

    return [Route("/topology", index), Route("/topology.json", figures)]


def _switches(levers: Levers | None) -> list[Switch]:
    return levers.faults.switches if levers else []


def _arrows(topology: Topology, switches: list[Switch]) -> list[dict[str, Any]]:
    disturbed = [switch.hop for switch in switches if not switch.spent]
    hops = [f"{one}-{other}" for one, others in topology.neighbours.items() for other in others]
    return [
        {"hop": hop, "path": path, "x": x, "y": y, "switches": disturbed.count(hop)}
        for hop in hops
        for path, x, y in [_ARROWS[hop]]
    ]


def _choices(levers: Levers) -> dict[str, Any]:
    hops = levers.faults.hops
    return {
        "hops": hops,
        "kinds": KINDS,
        "errors": ("UNAVAILABLE", *(name for name in ERRORS if name != "UNAVAILABLE")),
        "calls": sorted({call for hop in hops for call in calls_of(hop)}),
        "most_ms": MOST_MS,
        "most_times": MOST_TIMES,
    }


def _ago(seconds: float) -> str:
    if seconds < 2:
        return "now"
    return f"{seconds:.0f} s ago" if seconds < 120 else f"{seconds / 60:,.0f} min ago"
