"""Where an order is paid: the shop's site asks its own service, as every customer of it does, and keeps the receipt."""

from base64 import b64decode, b64encode
from dataclasses import replace

from cardnet.errors import Fault, InProgress, InvalidField, KeyReused, Malformed, NotFound, Unavailable
from cardnet.v1.merchant_pb2 import BrowserCard, CheckoutRequest, CheckoutResponse, TokenizedCard
from cardnet.v1.merchant_pb2_grpc import MerchantStub
from cardnet.v1.token_pb2 import TokenUsage
from services.merchant.shop.cards import KnownCard, RedisKnownCards
from services.merchant.shop.customers import CUSTOMERS
from services.merchant.shop.orders import Order, RedisOrders
from services.merchant.shop.posted import Usage, Wish
from services.merchant.shop.products import PRODUCTS, Product
from services.merchant.shop.site import SERVICE_ID
from services.merchant.shop.visits import Visit

BRAND = "cardnet"
"""The one network whose cards this shop takes."""

_GIVEN_BACK = "OUTCOME_UNKNOWN_REVERSED"
_GIVEN_BACK_NOTICE = "What came of this payment was not learnt. Whatever was taken is given back."

_USAGES: dict[Usage, TokenUsage] = {
    "one-time": TokenUsage.TOKEN_USAGE_ONE_TIME,
    "card-on-file": TokenUsage.TOKEN_USAGE_CARD_ON_FILE,
    "recurring": TokenUsage.TOKEN_USAGE_RECURRING,
}


class Till:
    """Takes payments."""

    def __init__(self, merchant: MerchantStub, origin: str, orders: RedisOrders, cards: RedisKnownCards) -> None:
        """origin: of the shop's pages, for which tokens are made."""
        self._merchant = merchant
        self._origin = origin
        self._orders = orders
        self._cards = cards

    async def pay(self, visit: Visit, wish: Wish, product: Product, placed: str) -> Order:
        """Pay for an order. Faults are the service's; what is asked for again is answered as before.

        While its answer is not known, what was sent is sent again: whatever the customer wishes to pay with now.
        """
        order = await self._begun(visit, wish, product)
        if order is None or not (order.answered or order.sent):
            request = await self._request(visit, wish, product)
            order = order or Order(
                id=wish.order_key,
                owner=visit.owner,
                product=product.id,
                amount_minor=product.price.minor,
                currency=product.price.currency.name,
                placed=placed,
                means=_means(wish),
            )
            order = replace(order, sent=_written(order, request))
        try:
            order = await self._answered(order)
        except KeyReused:
            if await self._orders.find(order.id) is None:  # no order of ours is open under this key
                await self._orders.settle(visit, order)
            raise
        await self._orders.settle(visit, order)
        return order

    async def charge_next_month(self, first: Order, month: int, placed: str) -> Order:
        """Charge a further month of a subscription, which the shop begins itself. month: the second is 2."""
        if not first.renewable or not 2 <= month <= first.months + 1:
            raise InvalidField("month", "must be the next one of a subscription that was paid")
        request = CheckoutRequest(card_on_file_id=first.card_on_file_id, original_rrn=first.rrn)
        order = Order(
            id=f"{first.id}-{month}",
            owner=first.owner,
            product=first.product,
            amount_minor=first.amount_minor,
            currency=first.currency,
            placed=placed,
            means="The card of your subscription",
            first=first.id,
        )
        order = await self._answered(replace(order, sent=_written(order, request)))
        await self._orders.keep(replace(first, months=max(first.months, month)))
        return order

    async def _begun(self, visit: Visit, wish: Wish, product: Product) -> Order | None:
        """The order under this key, where it was placed before. NotFound where the key was not made for this visit."""
        order = await self._orders.find(wish.order_key)
        if order and not visit.owns(order.owner):
            await self._orders.settle(visit, order)  # whoever comes next in this browser gets an order of their own
        known = visit.owns(order.owner) if order else await self._orders.is_draft(visit, product, wish.order_key)
        if not known or (order and order.product != product.id):
            raise NotFound("ORDER_UNKNOWN", "this page is too old to pay with; load it again")
        return order

    async def _request(self, visit: Visit, wish: Wish, product: Product) -> CheckoutRequest:
        customer = visit.customer.id if visit.customer else ""
        if (wish.keep or product.monthly) and not customer:
            raise InvalidField("keep", "must be left out by guests: sign in, so that there is somebody to keep it for")
        if product.monthly and not wish.details:
            raise InvalidField("tokenizedCard", "must be given: a subscription is paid by wallet")
        if wish.card_on_file:
            if wish.card_on_file not in {card.id for card in await self._cards.of(visit.customer)}:
                raise InvalidField("cardOnFile", "must be a card of yours")
            return CheckoutRequest(card_on_file_id=wish.card_on_file)
        saved_for = customer if wish.keep or product.monthly else ""
        if wish.browser_token:
            card = BrowserCard(token=wish.browser_token, service_id=SERVICE_ID, origin=self._origin)
            return CheckoutRequest(browser_card=card, save_for_customer_id=saved_for)
        return CheckoutRequest(tokenized_card=self._from_wallet(wish, product), save_for_customer_id=saved_for)

    def _from_wallet(self, wish: Wish, product: Product) -> TokenizedCard:
        usage: Usage = "recurring" if product.monthly else "card-on-file" if wish.keep else "one-time"
        if wish.usage != usage:
            raise InvalidField("tokenizedCard.usage", f"must be {usage} for this order")
        if wish.payment_request_id != wish.order_key:  # the page gives the request the order's own name
            raise InvalidField("tokenizedCard.paymentRequestId", "must be the order's key")
        return TokenizedCard(
            encrypted_details=wish.details,
            usage=_USAGES[usage],
            payment_request_id=wish.order_key,
            origin=self._origin,
        )

    async def _answered(self, order: Order) -> Order:
        """The order with its answer, which is asked for where it is not known."""
        before = await self._orders.begin(order)
        if before and before.answered:
            return before
        asked = replace(before, sent=before.sent or order.sent) if before else order
        try:
            answered = await self._asked(asked)
        except Fault as fault:
            if _came_to_nothing(fault, again=before is not None):
                await self._orders.forget(asked)
            raise
        await self._orders.keep(answered)
        return answered

    async def _asked(self, order: Order) -> Order:
        request = _read(order.sent)
        try:
            answer: CheckoutResponse = await self._merchant.Checkout(request)
        except Unavailable as fault:
            if fault.reason == _GIVEN_BACK:
                return replace(order, state="refused", notice=_GIVEN_BACK_NOTICE, sent="")
            raise
        order = _receipt(order, answer)
        customer = CUSTOMERS.get(request.save_for_customer_id)
        if customer and order.card_on_file_id and not PRODUCTS[order.product].monthly:
            # Before the answer is kept: once it is, nobody comes here again.
            await self._cards.add(customer, KnownCard(order.card_on_file_id, order.last_four, BRAND))
        return order


def _came_to_nothing(fault: Fault, *, again: bool) -> bool:
    """Whether nothing is under way after this fault. again: whether the same was sent before, and perhaps begun."""
    if again:
        return isinstance(fault, Malformed | NotFound)  # so it was begun anew just now, and ended before it was sent on
    return not isinstance(fault, Unavailable | InProgress)


def _written(order: Order, request: CheckoutRequest) -> str:
    request.idempotency_key = order.id
    request.amount_minor, request.currency = order.amount_minor, order.amount.currency.number
    return b64encode(request.SerializeToString(deterministic=True)).decode()


def _read(sent: str) -> CheckoutRequest:
    return CheckoutRequest.FromString(b64decode(sent))


def _means(wish: Wish) -> str:
    if wish.card_on_file:
        return "A card on file"
    return "A card from the wallet" if wish.details else "A new card"


def _receipt(order: Order, answer: CheckoutResponse) -> Order:
    return replace(
        order,
        state="approved" if answer.approved else "refused",
        response_code=answer.response_code,
        notice=answer.notice,
        auth_code=answer.auth_code,
        rrn=answer.rrn,
        last_four=answer.pan_last_four,
        trace_id=answer.trace_id,
        card_on_file_id=answer.card_on_file_id,
        sent="",
    )
