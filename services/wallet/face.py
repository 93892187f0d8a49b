"""The wallet's face to browsers: its pages, what makes it a payment handler, and what its pages ask for."""

import re
from collections.abc import Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from cardnet.errors import Fault
from cardnet.guard import Guard
from cardnet.problem import problem, problem_of
from services.wallet.desk import Desk

_HERE = Path(__file__).parent
_STATIC = _HERE / "static"
_FOR_SHOPS = {"cross-origin-resource-policy": "cross-origin"}
"""What the browser fetches on behalf of a shop's page."""

_ICON_SIZES = (192, 512)


def policy(key_origins: frozenset[str]) -> str:
    """The Content-Security-Policy of every page. key_origins: where the payees' keys may be fetched from."""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            " ".join(("connect-src 'self'", *sorted(key_origins))),
            "manifest-src 'self'",
            "worker-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


def face(desk: Desk, origin: str, key_origins: frozenset[str]) -> Guard:
    """The application behind its guard. origin: the face's own, as browsers write it."""
    pages = _Pages(origin)
    app = Starlette(
        routes=[
            Route("/", desk.page(pages.shown("home.html"))),
            Route("/pay", pages.identifier),
            Route("/payment-manifest.json", pages.payment_manifest),
            Route("/app/manifest.json", pages.web_app_manifest),
            Route("/app/sw.js", pages.worker),
            Route("/app/window", pages.window),
            Route("/icons/{name}", pages.icon),
            Mount("/static", StaticFiles(directory=_STATIC)),
            *desk.routes(),
        ],
        exception_handlers={Fault: _told(pages), HTTPException: _not_found(pages)},
    )
    return Guard(app, origin, policy=policy(key_origins))


class _Pages:
    """What is the same for everybody."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._templates = Jinja2Templates(_HERE / "templates")

    def shown(self, name: str) -> Callable[..., Response]:
        """A template, as what shows it."""

        def show(request: Request, status: int = 200, **members: object) -> Response:
            return self._templates.TemplateResponse(request, name, dict(members), status_code=status)

        return show

    async def identifier(self, request: Request) -> Response:  # noqa: ARG002 - every route gets it
        """The payment method: a browser asks here where its manifest is."""
        link = f'<{self._origin}/payment-manifest.json>; rel="payment-method-manifest"'
        text = "A payment method identifier. Shops name this address in their payment requests.\n"
        return PlainTextResponse(text, headers={"link": link, **_FOR_SHOPS})

    async def payment_manifest(self, request: Request) -> Response:  # noqa: ARG002
        """Who may handle the payment method: this wallet, and nobody else."""
        return JSONResponse({"default_applications": [f"{self._origin}/app/manifest.json"]}, headers=_FOR_SHOPS)

    async def web_app_manifest(self, request: Request) -> Response:  # noqa: ARG002
        """What the browser installs when somebody first pays with it."""
        manifest = {
            "name": "cardnet wallet",
            "short_name": "cardnet wallet",
            "description": "Pays with test cards. For tests only.",
            "start_url": "/",
            "scope": "/",
            "display": "standalone",
            "icons": [
                {"src": f"/icons/icon-{size}.png", "sizes": f"{size}x{size}", "type": "image/png"}
                for size in _ICON_SIZES
            ],
            "serviceworker": {"src": "/app/sw.js", "scope": "/app/", "use_cache": False},
        }
        return JSONResponse(manifest, headers=_FOR_SHOPS)

    async def worker(self, request: Request) -> Response:  # noqa: ARG002
        """The service worker, beside the pages that are in its scope."""
        return FileResponse(_STATIC / "sw.js", media_type="text/javascript", headers=_FOR_SHOPS)

    async def icon(self, request: Request) -> Response:
        """The wallet's icon; a browser does not take a payment handler without one."""
        name = request.path_params["name"]
        if name not in {f"icon-{size}.png" for size in _ICON_SIZES}:
            raise HTTPException(404)
        return FileResponse(_STATIC / name, headers=_FOR_SHOPS)

    async def window(self, request: Request) -> Response:
        """The window that the worker opens over a shop's page. It asks the worker what is to be paid."""
        return self.shown("window.html")(request)


def _for_programs(request: Request) -> bool:
    return request.url.path.startswith("/v1/")


def _told(pages: _Pages) -> Callable[[Request, Exception], Response]:
    def tell(request: Request, fault: Exception) -> Response:
        assert isinstance(fault, Fault)
        said = problem_of(fault)
        if _for_programs(request):
            return said
        return pages.shown("error.html")(request, said.status_code, heading="This does not work now", detail=str(fault))

    return tell


def _not_found(pages: _Pages) -> Callable[[Request, Exception], Response]:
    def tell(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if _for_programs(request):
            return problem(error.status_code, "there is nothing like this at this address")
        heading = re.sub(r"[^ A-Za-z]", "", error.detail)
        return pages.shown("error.html")(request, error.status_code, heading=heading, detail="See the wallet's cards.")

    return tell
