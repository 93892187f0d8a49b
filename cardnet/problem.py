"""What is told to a page when something cannot be done: application/problem+json (RFC 9457)."""

from http import HTTPStatus

from starlette.responses import JSONResponse

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


def problem_of(fault: Fault) -> JSONResponse:
    """A fault, told to a page: the same sentence as over gRPC, and the field and rule where one is to blame."""
    status = next((status for kind, status in _STATUSES if isinstance(fault, kind)), 409)
    if isinstance(fault, InvalidField):
        return problem(status, str(fault), field=fault.field, rule=fault.rule)
    return problem(status, str(fault), reason=fault.reason)
