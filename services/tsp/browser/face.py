"""The token service's web face: the script that shops link, the key it encrypts to, and tokens for cards.

    GET  /cardnet.js   the script               GET  /          what this origin is, for people
    GET  /v1/key       the key as a JWK         POST /v1/tokens a token for an encrypted card

Pages of registered origins alone may read the answers (CORS), and post (cardnet/guard.py).
"""

import json
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import Any

import jinja2
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cardnet.errors import Fault, InvalidField
from cardnet.guard import Guard
from cardnet.problem import problem, problem_of
from cardnet.rules import RULES
from services.tsp.browser.cards import PageCards, Sent
from services.tsp.browser.origins import Origins
from services.tsp.keys import KeySet

POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy: one page, one style sheet, nothing that runs."""

_MEMBERS = {"merchantId": "MERCHANT_ID", "serviceId": "SERVICE_ID", "encryptedCard": "JWE"}
"""What a page posts, and by which of the rules each is judged."""

_STATIC = resources.files("services.tsp.browser").joinpath("static")
_PAGES = jinja2.Environment(loader=jinja2.PackageLoader("services.tsp.browser", "pages"), autoescape=True)

Endpoint = Callable[[Request], Awaitable[Response]]


def tokens_face(origin: str, origins: Origins, cards: PageCards, keys: KeySet) -> ASGIApp:
    """The face at its own `origin`, for the pages of these origins."""
    desk = _Desk(origin, origins, cards, keys)
    pages = Router(
        routes=[
            Route("/", desk.welcome, methods=["GET"]),
            Route("/cardnet.js", desk.script, methods=["GET"]),
            Route("/style.css", desk.style, methods=["GET"]),
            Route("/v1/key", _told(desk.key), methods=["GET"]),
            Route("/v1/tokens", _told(desk.tokens), methods=["POST", "OPTIONS"]),
        ],
        default=_nothing_here,
        redirect_slashes=False,
    )
    return Guard(_Shared(pages, origins), origin, policy=POLICY, writers=origins)


class _Desk:
    """Answers requests."""

    def __init__(self, origin: str, origins: Origins, cards: PageCards, keys: KeySet) -> None:
        self._origin = origin
        self._origins = origins
        self._cards = cards
        self._keys = keys

    async def welcome(self, _request: Request) -> Response:
        page = _PAGES.get_template("welcome.html")
        return HTMLResponse(page.render(origin=self._origin, shops=sorted(self._origins)))

    async def script(self, _request: Request) -> Response:
        # Any site may link it, and it is the same for all; a change is to be everywhere within minutes.
        headers = {"cross-origin-resource-policy": "cross-origin", "cache-control": "public, max-age=300"}
        return Response(_text("cardnet.js"), headers=headers, media_type="text/javascript")

    async def style(self, _request: Request) -> Response:
        return Response(_text("style.css"), media_type="text/css")

    async def key(self, _request: Request) -> Response:
        key = await self._keys.card_key()
        public = key.private[key.id].as_dict(private=False)
        jwk = {name: public[name] for name in ("kty", "n", "e")}
        return JSONResponse({"kid": key.id, "jwk": jwk | {"alg": "RSA-OAEP-256", "use": "enc", "kid": key.id}})

    async def tokens(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return self._preflight(request)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return problem(415, "a card comes as application/json")
        given = await self._cards.take(sent(await request.body()), request.headers.get("origin", ""))
        return JSONResponse(given._asdict(), 201)

    def _preflight(self, request: Request) -> Response:
        if not self._origins.identity_of(request.headers.get("origin", "")):
            return problem(403, "this page's origin is not registered with the token service")
        may = {"access-control-allow-methods": "POST", "access-control-allow-headers": "content-type"}
        return Response(status_code=204, headers=may | {"access-control-max-age": "600"})


class _Shared:
    """Lets pages of registered origins read the answers: each is told its own origin, and no other."""

    def __init__(self, app: ASGIApp, origins: Origins) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = Request(scope).headers.get("origin", "")

        async def sharing(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.add_vary_header("Origin")
                if self._origins.identity_of(origin):
                    headers["access-control-allow-origin"] = origin
            await send(message)

        await self._app(scope, receive, sharing)


def sent(body: bytes) -> Sent:
    """What a page posted. InvalidField names the member that is wrong."""
    try:
        members = json.loads(body, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        raise InvalidField("body", "must be a JSON object in which no member comes twice")
    if members.keys() - _MEMBERS.keys():
        raise InvalidField("body", f"must have no other members than {', '.join(_MEMBERS)}")
    return Sent(*(_checked(name, rule, members.get(name, "")) for name, rule in _MEMBERS.items()))


def _checked(name: str, rule: str, value: object) -> str:
    if not value:
        raise InvalidField(name, "must be given")
    if not isinstance(value, str):
        raise InvalidField(name, "must be a string")
    fault = RULES[rule].check(value)
    if fault:
        raise InvalidField(name, fault)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):  # a member that comes twice may be read one way here and another way elsewhere
        raise ValueError
    return members


def _told(endpoint: Endpoint) -> Endpoint:
    """The endpoint, whose faults are told to the page."""

    async def telling(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Fault as fault:
            return problem_of(fault)

    return telling


async def _nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
    await problem(404, "there is nothing here; the page at / says what there is")(scope, receive, send)


def _text(name: str) -> str:
    return _STATIC.joinpath(name).read_text("utf-8")
