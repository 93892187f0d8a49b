"""Cards from wallets: the shop opens the details, judges them and sees that they pay for one order."""

from cardnet.env import Clock
from cardnet.errors import InvalidField, KeyReused
from cardnet.money import Currency, Money
from cardnet.payment_request import PaymentRequest
from cardnet.tokenized_card import TokenizedCard
from cardnet.v1.merchant_pb2 import CheckoutRequest
from services.merchant.domain import RequestorIds, Usage
from services.merchant.payment_key import PaymentKeys
from services.merchant.store import RedisUsedDetails


class WalletCards:
    """What customers pay with who have their cards in a wallet."""

    def __init__(self, ids: RequestorIds, keys: PaymentKeys, used: RedisUsedDetails, clock: Clock) -> None:
        self._ids = ids
        self._keys = keys
        self._used = used
        self._clock = clock

    async def opened(self, request: CheckoutRequest) -> TokenizedCard:
        """The details in an order, good for that order and used up by it.

        InvalidField names the member that breaks a rule; KeyReused if they have paid for another order.
        """
        key = await self._keys.key()
        try:
            details = key.decrypt(request.tokenized_card.encrypted_details)
            self._check_requestor(details, usage_of(request))
            self._check_binding(details, request)
        except InvalidField as violation:
            raise violation.within("tokenized_card") from None
        await self._use_up(details, request)
        return details

    def _check_requestor(self, details: TokenizedCard, usage: Usage) -> None:
        # A wallet need not say whose token it is: then it is as if it had said it right, and step 4 checks it.
        if details.token_requestor_id not in ("", self._ids.from_wallet(usage)):
            raise InvalidField("encrypted_details.trid", "must be the shop's own for the usage that was asked for")

    def _check_binding(self, details: TokenizedCard, request: CheckoutRequest) -> None:
        card = request.tokenized_card
        if bool(card.payment_request_id) != bool(card.origin):
            missing = "origin" if card.payment_request_id else "payment_request_id"
            raise InvalidField(missing, "must be given: payment_request_id and origin go together")
        if bool(card.payment_request_id) != bool(details.claims):
            raise _unbound(bool(details.claims))
        if details.claims:
            total = Money(request.amount_minor, Currency.of(request.currency))
            asked = PaymentRequest(card.payment_request_id, card.origin, total)
            try:
                details.claims.check(asked, self._clock.now())
            except InvalidField as violation:
                raise violation.within("encrypted_details") from None

    async def _use_up(self, details: TokenizedCard, request: CheckoutRequest) -> None:
        names = {"jwe": request.tokenized_card.encrypted_details}
        if details.claims:
            names["jti"] = details.claims.jti
        for kind, name in names.items():
            if not await self._used.claim(kind, name, request.idempotency_key):
                raise KeyReused(
                    "DETAILS_REUSED", "these card details came before with another order; ask the wallet again"
                )


def usage_of(request: CheckoutRequest) -> Usage:
    """What the page asked for; where it did not say, to pay once."""
    return Usage(request.tokenized_card.usage or Usage.ONE_TIME)


def _unbound(claimed: bool) -> InvalidField:
    if claimed:
        return InvalidField("payment_request_id", "must be given with details that are bound to a payment request")
    return InvalidField(
        "encrypted_details.paymentRequestId", "must be given: the page asked for details that are bound"
    )
