"""What is told when something cannot be done: application/problem+json (RFC 9457), and to a person a page."""

from html import escape
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, Response

from cardnet.errors import (
    Fault,
    InvalidField,
    NotFound,
    NotPermitted,
    Overloaded,
    TimedOut,
    Unauthenticated,
    Unavailable,
)

_STATUSES: tuple[tuple[type[Fault], int], ...] = (
    (InvalidField, 400),
    (Unauthenticated, 401),
    (NotPermitted, 403),
    (NotFound, 404),
    (Overloaded, 429),
    (TimedOut, 504),
    (Unavailable, 503),
)


def problem(status: int, detail: str, **members: str) -> JSONResponse:
    """One sentence for whoever reads it. members: what a program may read, such as field and rule."""
    told = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail, **members}
    return JSONResponse(told, status, media_type="application/problem+json")


def reads_pages(headers: Headers) -> bool:
    """Whether a person's browser asks, to show what comes as a page; a script of a page asks for data."""
    return "text/html" in headers.get("accept", "")


def refusal(headers: Headers, status: int, detail: str) -> Response:
    """A problem as whoever asks can read it: a bare page for a person, for it comes before any site's own."""
    if not reads_pages(headers):
        return problem(status, detail)
    title = HTTPStatus(status).phrase
    return HTMLResponse(_PAGE.format(title=escape(title), detail=escape(detail[:1].upper() + detail[1:])), status)


_PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>{title}</title>
</head>
<body><main><h1>{title}</h1><p>{detail}.</p><p><a href="/">To the beginning</a></p></main></body>
</html>
"""


def problem_of(fault: Fault) -> JSONResponse:
    """A fault, told to a page: the same sentence as over gRPC, and the field and rule where one is to blame."""
    status = next((status for kind, status in _STATUSES if isinstance(fault, kind)), 409)
    if isinstance(fault, InvalidField):
        return problem(status, str(fault), field=fault.field, rule=fault.rule)
    return problem(status, str(fault), reason=fault.reason)
