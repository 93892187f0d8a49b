"""How a page of the console is shown: a template, filled in."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.templating import Jinja2Templates

from cardnet.console.commands import Commands
from cardnet.console.wording import clock_time, count, date_and_time, shown
from cardnet.traces.timing import spoken

_HERE = Path(__file__).parent

STATIC = _HERE / "static"


class Pages:
    """The templates. What each is given besides its own: the rooms of the console, as navigation, and commands."""

    def __init__(self, rooms: tuple[tuple[str, str], ...], commands: Commands) -> None:
        """rooms: path and name of each. commands: that pages name."""
        self._rooms, self._commands = rooms, commands
        self._templates = Jinja2Templates(_HERE / "templates")
        written = self._templates.env
        written.trim_blocks = written.lstrip_blocks = True
        written.finalize = shown
        written.filters |= {each.__name__: each for each in (clock_time, count, date_and_time, spoken)}

    def show(self, request: Request, name: str, status: int = 200, **members: object) -> Response:
        """A template as an answer."""
        given = {"rooms": self._rooms, "here": _room_of(request.url.path), "commands": self._commands, **members}
        return self._templates.TemplateResponse(request, name, given, status_code=status)

    def part(self, name: str, **members: object) -> str:
        """A template as text, for a part of a page."""
        return self._templates.get_template(name).render(**members)


def _room_of(path: str) -> str:
    """The room that a page stands in, by the room's own path."""
    first = f"/{path.split('/')[1]}"
    return "/" if first in ("/authorisations", "/compare") else first
