"""What a form posts."""

from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from cardnet.errors import InvalidField

_FORM = "application/x-www-form-urlencoded"
_MOST_FIELDS = 20


async def fields_of(request: Request) -> dict[str, str]:
    """The fields of a form; of two with one name the last. InvalidField where the body is none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == _FORM:
            body = (await request.body()).decode()
            return dict(parse_qsl(body, keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:  # UnicodeDecodeError is one
        pass
    raise InvalidField("body", f"must be {_FORM}, {_MOST_FIELDS} fields at most")


def number_in(fields: dict[str, str], name: str) -> int:
    """A number that may be left out: 0 then. InvalidField."""
    text = fields.get(name, "").strip()
    if text and not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise InvalidField(name, "must be a number of digits alone")
    return int(text or 0)


def one_of(fields: dict[str, str], name: str, known: tuple[str, ...]) -> str:
    """One of the words that may stand there. InvalidField."""
    if fields.get(name) not in known:
        raise InvalidField(name, f"must be one of {', '.join(known)}")
    return fields[name]


def back_to(path: str) -> Response:
    """The page to look at after something was done: reloading it does nothing again."""
    return RedirectResponse(path, 303)
