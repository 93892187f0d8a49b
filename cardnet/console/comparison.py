"""Two authorisations side by side."""

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from cardnet.console.authorisation import wanted_trace
from cardnet.console.pages import Pages
from cardnet.errors import InvalidField
from cardnet.traces.archive import Archive
from cardnet.traces.difference import compare
from cardnet.traces.entry import entry_of
from cardnet.traces.trace import Trace
from cardnet.traces.verdict import verdict_of


def routes(archive: Archive, pages: Pages) -> list[Route]:
    """The page of this room."""

    async def compared(request: Request) -> Response:
        marked = request.query_params.getlist("trace")
        if marked:
            return _to_pair(marked)
        a, b = [await wanted_trace(archive, _given(request.query_params, name), name) for name in ("a", "b")]
        return pages.show(
            request,
            "comparison.html",
            sides=[("A", *_told(a)), ("B", *_told(b))],
            difference=compare(a, b),
        )

    return [Route("/compare", compared)]


def _told(trace: Trace) -> tuple[object, ...]:
    return entry_of(trace), verdict_of(trace)


def _to_pair(marked: list[str]) -> Response:
    """Where the list's form leads: it has a box for each line, the newest first; the older one is A."""
    if len(marked) != 2:
        raise InvalidField("trace", "must be two: mark two lines of the list, and compare them")
    b, a = marked
    return RedirectResponse(f"/compare?{QueryParams({'a': a, 'b': b})}", 303)


def _given(params: QueryParams, name: str) -> str:
    value = params.get(name, "").strip()
    if not value:
        raise InvalidField(name, "must be a trace's identifier, or at least its first 4 digits")
    return value
