"""One authorisation: its picture, its steps field by field, and what of it may be taken away."""

import json
from collections.abc import Callable
from typing import NamedTuple

from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cardnet.console.pages import Pages
from cardnet.console.sheet import sheets
from cardnet.errors import InvalidField
from cardnet.steps import SERVICES
from cardnet.traces import drawing
from cardnet.traces.archive import Archive
from cardnet.traces.checks import checks_of
from cardnet.traces.entry import entry_of
from cardnet.traces.mermaid import mermaid
from cardnet.traces.otlp_json import otlp_json
from cardnet.traces.picture import who_may_have_seen_the_pan, who_saw_the_pan
from cardnet.traces.trace import Trace
from cardnet.traces.verdict import verdict_of

PATIENCE_S = 0.5
"""How long a page waits for a trace that has not come whole: it is a twentieth of a second behind its payment."""

MOST_RAW = 256 * 1024
"""Letters of raw spans that a page shows; who sent more can take them as a file."""


class Export(NamedTuple):
    """A form in which a trace may be taken away."""

    ending: str
    media_type: str
    made: Callable[[Archive, Trace], str]


EXPORTS = (
    Export("otlp.json", "application/json", lambda archive, trace: otlp_json(archive.spans(trace.trace_id))),
    Export("json", "application/json", lambda _, trace: trace.to_json()),
    Export("svg", "image/svg+xml", lambda _, trace: drawing.document(trace)),
    Export("mmd", "text/plain", lambda _, trace: mermaid(trace)),
)


def routes(archive: Archive, pages: Pages) -> list[Route]:
    """The pages of this room."""

    async def one(request: Request) -> Response:
        trace = await wanted_trace(archive, request.path_params["trace_id"])
        verdict = verdict_of(trace)
        return pages.show(
            request,
            "authorisation.html",
            trace=trace,
            entry=entry_of(trace),
            verdict=verdict,
            picture=Markup(drawing.draw(trace)),  # noqa: S704 - drawing escapes what it draws
            sight=sight_of(trace),
            checks=checks_of(trace),
            sheets=sheets(trace, verdict),
            raw=_raw(archive, trace),
            exports=EXPORTS,
        )

    def export(kind: Export) -> Route:
        async def file(request: Request) -> Response:
            trace = await wanted_trace(archive, request.path_params["trace_id"])
            name = f"trace-{trace.trace_id[:8]}.{kind.ending}"
            saved = {"content-disposition": f'attachment; filename="{name}"'}
            return Response(kind.made(archive, trace), media_type=kind.media_type, headers=saved)

        return Route(f"/authorisations/{{trace_id}}.{kind.ending}", file)

    async def style(request: Request) -> Response:
        return Response(drawing.STYLE, media_type="text/css")

    return [*map(export, EXPORTS), Route("/authorisations/{trace_id}", one), Route("/sequence.css", style)]


async def wanted_trace(archive: Archive, beginning: str, field: str = "trace_id") -> Trace:
    """The trace that somebody asks for. NotFound, InvalidField. field: what a fault calls it."""
    if len(beginning) < 4:
        raise InvalidField(field, "must be at least 4 digits of a trace's identifier")
    return await archive.find(beginning.lower(), PATIENCE_S)


def sight_of(trace: Trace) -> list[tuple[str, str]]:
    """Of each service, whether it could see the PAN: "saw", "took part" and did not see it, or "no part".

    Where that is not known: why, such as "sent to the issuer, arrival not recorded".
    """
    (saw, took_part), perhaps = who_saw_the_pan(trace), who_may_have_seen_the_pan(trace)
    known = perhaps | dict.fromkeys(took_part, "took part") | dict.fromkeys(saw, "saw")
    silent = "no record of it, and others are missing" if trace.missing else "no part"
    return [(service, known.get(service, silent)) for service in SERVICES]


def _raw(archive: Archive, trace: Trace) -> Markup | None:
    """The spans as OTLP's JSON, to be read by people; None where that would be too much for a page."""
    text = otlp_json(archive.spans(trace.trace_id))
    # Escaped here: what pages do to texts from traces would take the line breaks away.
    return escape(json.dumps(json.loads(text), indent=2, ensure_ascii=False)) if len(text) <= MOST_RAW else None
