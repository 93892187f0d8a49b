"""The list of authorisations."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from cardnet.console.pages import Pages
from cardnet.traces.archive import Archive
from cardnet.traces.entry import OUTCOMES, Filter

SHOWN = 100


def routes(archive: Archive, pages: Pages) -> list[Route]:
    """The pages of this room."""

    async def index(request: Request) -> Response:
        wanted = Filter.parse(request.url.query)
        if _has_blanks(request.url.query):  # a form sends those too that nobody filled in
            return RedirectResponse(f"/?{wanted.query()}".rstrip("?"), 303)
        entries = archive.entries(wanted, SHOWN)
        return pages.show(
            request,
            "authorisations.html",
            entries=entries,
            wanted=wanted,
            outcomes=OUTCOMES,
            counts=counts_of(archive),
            matching=archive.count(wanted),
        )

    return [Route("/", index)]


def counts_of(archive: Archive) -> dict[str, int]:
    """How many authorisations there were since the start, how they ended, and how much of what was told is lost."""
    ended: dict[str, int] = {outcome: archive.outcomes[outcome] for outcome in OUTCOMES}
    return {"seen": archive.seen, **ended, "lost": archive.lost}


def _has_blanks(query: str) -> bool:
    return any(member.endswith("=") for member in query.split("&"))
