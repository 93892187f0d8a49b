"""The shop put together: its pages, behind the guard, asking the service at the border that everybody comes in by."""

from pathlib import Path

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cardnet.client import Channel
from cardnet.errors import Fault
from cardnet.guard import Guard
from cardnet.identity import CARDHOLDER
from cardnet.service import Service
from cardnet.v1.merchant_pb2_grpc import MerchantStub
from cardnet.wire import InProcessLink
from services.merchant.shop.cards import RedisKnownCards
from services.merchant.shop.key_page import key_page
from services.merchant.shop.orders import RedisOrders
from services.merchant.shop.pages import Pages
from services.merchant.shop.site import Keys, Site
from services.merchant.shop.till import Till
from services.merchant.shop.view import View
from services.merchant.shop.visits import RedisVisits

PAYMENT_TIMEOUT_S = 25.0
"""How long a page waits for the answer to a payment: longer than the service for everybody behind it."""


def shop_face(service: Service, site: Site, keys: Keys | None) -> ASGIApp:
    """The shop's web face. keys: gives that to which wallets encrypt; None where cards from wallets are not taken."""
    link = InProcessLink(service.name, service.border, CARDHOLDER)
    channel = Channel(link, service.env, timeout_s=PAYMENT_TIMEOUT_S)
    orders, cards, visits = RedisOrders(service.store), RedisKnownCards(service.store), RedisVisits(service.store)
    till = Till(MerchantStub(channel), site.origin, orders, cards)
    pages = Pages(site, View(site), till, visits, orders, cards, service.env.clock)
    routes = [
        *pages.routes,
        Route("/payment-key", key_page(keys, site.wallet_origin)),
        Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
    ]
    handlers = {HTTPException: pages.failed, Fault: pages.failed, Exception: pages.failed}
    app = Starlette(routes=routes, exception_handlers=handlers)
    return Guard(_Permitting(app), site.origin, policy=site.policy, referrer="same-origin")


class _Permitting:
    """Says which of the browser's powers these pages use: payment requests, and only their own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["permissions-policy"] = "payment=(self)"
            await send(message)

        await self._app(scope, receive, telling)
