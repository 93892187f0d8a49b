"""What is done on the topology page: switches set and taken back, services stopped and started. Only with --faults."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cardnet.console.levers import ACTIONS, Levers
from cardnet.console.posted import back_to, fields_of, number_in, one_of
from cardnet.console.topology import Topology
from cardnet.errors import InvalidField
from cardnet.faults import KINDS

PAGE = "/topology"


def routes(levers: Levers, topology: Topology) -> list[Route]:
    """What may be posted in this room."""

    async def add(request: Request) -> Response:
        fields = await fields_of(request)
        kind = one_of(fields, "kind", KINDS)
        levers.faults.set(
            fields.get("hop", ""),
            # A switch of this kind with nothing filled in: 0 is refused as too few, and says what would do.
            latency_ms=(number_in(fields, "latency_ms") or -1) if kind == "latency" else 0,
            drop=kind.removeprefix("drop ") if kind.startswith("drop ") else "",
            duplicate=kind == "duplicate",
            error=fields.get("error", "") or "UNAVAILABLE" if kind == "error" else "",
            call=fields.get("call", ""),
            times=_times(fields),
        )
        return back_to(f"{PAGE}#switches")

    async def take_back(request: Request) -> Response:
        levers.faults.clear(request.path_params["id"])
        return back_to(f"{PAGE}#switches")

    async def take_all_back(_: Request) -> Response:
        levers.faults.clear()
        return back_to(f"{PAGE}#switches")

    async def pull(request: Request) -> Response:
        action = one_of(await fields_of(request), "action", ACTIONS)
        await levers.pull(request.path_params["service"], action)
        topology.changed()
        return back_to(f"{PAGE}#services")

    return [
        Route(f"{PAGE}/switches", add, methods=["POST"]),
        Route(f"{PAGE}/switches/back", take_all_back, methods=["POST"]),
        Route(f"{PAGE}/switches/{{id:int}}/back", take_back, methods=["POST"]),
        Route(f"{PAGE}/services/{{service}}", pull, methods=["POST"]),
    ]


def _times(fields: dict[str, str]) -> int:
    """How many calls are to be disturbed. Nothing filled in is not 0, which is: all of them, until it is taken back."""
    if not fields.get("times", "").strip():
        raise InvalidField("times", "must be filled in; 0 is until it is taken back")
    return number_in(fields, "times")
