"""The shop's pages as text: templates that escape all that they show."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from cardnet.errors import (
    Fault,
    InProgress,
    InvalidField,
    Malformed,
    NotFound,
    Overloaded,
    Unavailable,
)
from cardnet.problem import problem, problem_of
from services.merchant.shop.customers import CUSTOMERS
from services.merchant.shop.products import PRODUCTS
from services.merchant.shop.site import Site
from services.merchant.shop.visits import Visit

HERE = Path(__file__).parent

NOTHING = "Nothing was charged."
_ADVICE: tuple[tuple[type[Fault], str], ...] = (
    (InProgress, "It is being paid at this moment. Press the button again: the same order is paid once."),
    (Unavailable, "What came of it is not known here. Press the button again: the same order is paid once."),
    (Overloaded, f"{NOTHING} Press the button again in a moment."),
    (NotFound, NOTHING),
    (Malformed, NOTHING),
)
_ADVICE_BY_REASON = {
    "KEY_REUSED": "It was sent before with another card, and what came of that is not known here: see your orders.",
}


class View:
    """Makes pages."""

    def __init__(self, site: Site) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals |= {"site": site, "products": PRODUCTS, "customers": list(CUSTOMERS.values())}

    def page(self, template: str, visit: Visit | None, status: int = 200, /, **shown: object) -> HTMLResponse:
        """A page. shown: what its template names."""
        text = self._templates.get_template(template).render(visit=visit, **shown)
        return HTMLResponse(text, status)

    def trouble(self, request: Request, status: int, words: str, visit: Visit | None = None) -> Response:
        """What went wrong: problem+json for programs, a page for people."""
        if wants_json(request):
            return problem(status, words)
        return self.page("trouble.html", visit, status, words=words, status=status)

    def fault_trouble(self, request: Request, fault: Fault) -> Response:
        """Why something else could not be done."""
        return self.trouble(request, problem_of(fault).status_code, _sentence(fault))

    def payment_trouble(self, request: Request, fault: Fault, visit: Visit | None) -> Response:
        """Why a payment was not answered, and what that means for the customer's money."""
        told = problem_of(fault)
        words = f"{_sentence(fault)} {_advice(fault)}"
        if not wants_json(request):
            return self.page("trouble.html", visit, told.status_code, words=words, status=told.status_code)
        if isinstance(fault, InvalidField):
            return problem(400, words, field=fault.field, rule=fault.rule)
        return problem(told.status_code, words, reason=fault.reason)


def wants_json(request: Request) -> bool:
    """Whether a program asks, such as the page's own script."""
    return "json" in request.headers.get("accept", "") or "json" in request.headers.get("content-type", "")


def _sentence(fault: Fault) -> str:
    said = str(fault)
    return f"{said[:1].upper()}{said[1:].rstrip('.')}."


def _advice(fault: Fault) -> str:
    general = next((advice for kind, advice in _ADVICE if isinstance(fault, kind)), NOTHING)
    return _ADVICE_BY_REASON.get(fault.reason, general)
