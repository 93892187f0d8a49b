"""The shop's pages: each asks who is there, does one thing, and shows what came of it."""

import re
from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from cardnet.env import Clock
from cardnet.errors import Fault, InvalidField
from services.merchant.shop import posted
from services.merchant.shop.cards import RedisKnownCards
from services.merchant.shop.customers import CUSTOMERS
from services.merchant.shop.orders import Order, RedisOrders
from services.merchant.shop.products import PRODUCTS, Product
from services.merchant.shop.site import SERVICE_ID, Site
from services.merchant.shop.till import Till
from services.merchant.shop.view import View, wants_json
from services.merchant.shop.visits import COOKIE, RedisVisits, Visit

_PLACES = {"/", "/orders", *(f"/checkout/{product}" for product in PRODUCTS)}
"""Where one may be sent back to after signing in."""


class Pages:
    """What is shown at each address."""

    def __init__(
        self,
        site: Site,
        view: View,
        till: Till,
        visits: RedisVisits,
        orders: RedisOrders,
        cards: RedisKnownCards,
        clock: Clock,
    ) -> None:
        self._site, self._view, self._till = site, view, till
        self._visits, self._orders, self._cards = visits, orders, cards
        self._clock = clock

    @property
    def routes(self) -> Sequence[Route]:
        """Every page's address."""
        return (
            Route("/", self.shelf),
            Route("/sign-in", self.ask_who),
            Route("/sign-in", self.sign_in, methods=["POST"]),
            Route("/sign-out", self.sign_out, methods=["POST"]),
            Route("/checkout/{product}", self.checkout),
            Route("/orders", self.history),
            Route("/orders", self.pay, methods=["POST"]),
            Route("/orders/{order}", self.receipt),
            Route("/orders/{order}/next-month", self.next_month, methods=["POST"]),
        )

    async def shelf(self, request: Request) -> Response:
        """All products."""
        return self._view.page("shelf.html", await self._visit(request))

    async def ask_who(self, request: Request) -> Response:
        """The people as whom one may sign in."""
        next_ = _place(request.query_params.get("next", "/"))
        return self._view.page("sign_in.html", await self._visit(request), next=next_)

    async def sign_in(self, request: Request) -> Response:
        """Be one of them."""
        fields = await posted.read(request)
        customer = CUSTOMERS.get(str(fields.get("customer")))
        if not customer:
            raise InvalidField("customer", "must be one of those that the page offers")
        visit = await self._visits.begin(customer, await self._visit(request))
        return self._remembered(_sent_to(_place(str(fields.get("next", "/")))), visit)

    async def sign_out(self, request: Request) -> Response:
        """Be nobody again, and see nobody's orders."""
        visit = await self._visit(request)
        if visit:
            await self._visits.end(visit)
        answer = _sent_to("/")
        answer.delete_cookie(COOKIE)
        return answer

    async def checkout(self, request: Request) -> Response:
        """An order that is about to be placed, and the ways to pay for it."""
        product = _product(request.path_params["product"])
        if request.headers.get("sec-fetch-dest", "document") != "document":
            # Showing this page writes rows, and the images of another site's page must not.
            raise HTTPException(403, "This page is for opening, and not to be a part of another.")
        visit = await self._visit(request)
        known = visit or await self._visits.begin()
        page = self._view.page(
            "checkout.html",
            known,
            product=product,
            order_key=await self._orders.draft(known, product),
            cards=[] if product.monthly else await self._cards.of(known.customer),
            service_id=SERVICE_ID,
        )
        return page if visit else self._remembered(page, known)

    async def pay(self, request: Request) -> Response:
        """Place an order. To the page's script: where the receipt is."""
        visit = await self._visit(request)
        try:
            wish = await posted.read_wish(request)
            if visit is None:
                raise HTTPException(409, "Your visit has ended. Nothing was charged. Load the page again to pay.")
            order = await self._till.pay(visit, wish, _product(wish.product), self._now())
        except Fault as fault:
            return self._view.payment_trouble(request, fault, visit)
        return _shown_at(request, order)

    async def next_month(self, request: Request) -> Response:
        """Charge a subscription once more: what a shop does by night, here at the press of a button."""
        visit, first = await self._own(request)
        try:
            month = str((await posted.read(request)).get("month"))
            number = int(month) if re.fullmatch("[1-9][0-9]{0,2}", month) else 0
            order = await self._till.charge_next_month(first, number, self._now())
        except Fault as fault:
            return self._view.payment_trouble(request, fault, visit)
        return _shown_at(request, order)

    async def receipt(self, request: Request) -> Response:
        """What came of an order, to whoever placed it."""
        visit, order = await self._own(request)
        return self._view.page("receipt.html", visit, order=order, product=PRODUCTS[order.product])

    async def history(self, request: Request) -> Response:
        """All orders of this customer, or of this browser's guest."""
        visit = await self._visit(request)
        orders = await self._orders.of(visit) if visit else []
        return self._view.page("orders.html", visit, orders=orders)

    async def failed(self, request: Request, error: Exception) -> Response:
        """Whatever a page could not do."""
        if isinstance(error, HTTPException):
            answer = self._view.trouble(request, error.status_code, _words(error), await self._visit(request))
            answer.headers.update(error.headers or {})
            return answer
        if isinstance(error, Fault):
            return self._view.fault_trouble(request, error)
        return self._view.trouble(request, 500, "Something broke here; the service's log says what.")

    async def _visit(self, request: Request) -> Visit | None:
        return await self._visits.find(request.cookies.get(COOKIE, ""))

    async def _own(self, request: Request) -> tuple[Visit, Order]:
        visit = await self._visit(request)
        order = await self._orders.find(request.path_params["order"])
        if not visit or not order or not visit.owns(order.owner):
            raise HTTPException(404)  # that of somebody else is not there either
        return visit, order

    def _remembered(self, answer: Response, visit: Visit) -> Response:
        secure = self._site.origin.startswith("https:")
        answer.set_cookie(COOKIE, visit.id, httponly=True, samesite="lax", secure=secure)
        return answer

    def _now(self) -> str:
        return self._clock.now().isoformat(timespec="seconds")


_WORDS = {
    404: "There is no such page here.",
    405: "This page is asked in another way.",
}


def _words(error: HTTPException) -> str:
    return _WORDS.get(error.status_code, error.detail)


def _product(id_: str) -> Product:
    if id_ not in PRODUCTS:
        raise HTTPException(404)
    return PRODUCTS[id_]


def _place(path: str) -> str:
    return path if path in _PLACES else "/"


def _sent_to(path: str) -> Response:
    return RedirectResponse(path, 303)


def _shown_at(request: Request, order: Order) -> Response:
    place = f"/orders/{order.id}"
    if wants_json(request):
        return JSONResponse({"location": place, "approved": order.state == "approved"}, 201, {"location": place})
    return _sent_to(place)
