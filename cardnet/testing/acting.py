"""What people do at a network, wherever it runs: save cards, pay, open accounts, look at traces."""

import time
from typing import TypeVar

from cardnet.card import luhn_digit
from cardnet.cardholder import Cardholder, CardOnFile
from cardnet.cde.v1.issuer_pb2 import GetAccountRequest, GetAccountResponse, OpenAccountRequest
from cardnet.cde.v1.issuer_pb2_grpc import IssuerOperatorStub
from cardnet.client import Channel
from cardnet.env import Env
from cardnet.identity import CARDHOLDER, OPERATOR
from cardnet.money import Currency, Money
from cardnet.response_code import ResponseCode
from cardnet.test_cards import TestCard, test_card
from cardnet.testing.payment import Payment
from cardnet.traces.trace import Trace
from cardnet.v1.merchant_pb2 import CheckoutResponse

S = TypeVar("S")

CALL_TIMEOUT_S = 25.0
"""How long the kit waits for an answer."""

TRACE_TIMEOUT_S = 5.0
"""How long the kit waits for a trace to be complete; then it shows what there is."""


class Network:
    """A network that runs: the calls of cardholders and operators. How it is reached is for subclasses to say."""

    _env: Env

    def channel(self, service: str, as_: str = CARDHOLDER) -> Channel:
        """A channel to a service, asking as somebody: "merchant", "network", "operator" …"""
        raise NotImplementedError

    async def trace(self, trace_id: str) -> Trace:
        """A trace, by its identifier, once it is complete."""
        raise NotImplementedError

    def stub(self, stub: type[S], service: str, as_: str = CARDHOLDER) -> S:
        """A generated stub for a service, asking as somebody: "merchant", "network", "operator" …"""
        return stub(self.channel(service, as_))  # type: ignore[call-arg]

    # What a cardholder does.

    async def save_card(self, card: TestCard | str, customer: str = "customer-1") -> CardOnFile:
        """Put a card on file at the merchant. card: a test card, or the name of one. CardNotSaved if it is refused."""
        card = test_card(card) if isinstance(card, str) else card
        return await self.cardholder(customer).save_card(card.pan, card.expiry)

    async def checkout(
        self, card: CardOnFile, amount: Money | str, *, key: str | None = None, traceparent: str | None = None
    ) -> Payment:
        """Pay with a card on file. amount: such as "12.40 USD". key: the idempotency key, a fresh one if not given."""
        money = Money.parse(amount) if isinstance(amount, str) else amount
        started = time.monotonic()
        answer = await self.cardholder().pay(card.id, money, key or f"pay{self._env.rng.hex(8)}", traceparent)
        return await self.payment(answer, time.monotonic() - started)

    def cardholder(self, customer: str = "customer-1") -> Cardholder:
        """A customer, for calls that the kit has no method for."""
        return Cardholder(self.channel("merchant"), self.channel("tsp"), customer)

    # What an operator does.

    async def open_account(self, balance: str = "100.00 USD", *, status: str = "OPEN") -> TestCard:
        """Open an account with a new card. balance: what may be spent. status: as in TestCard."""
        digits = f"99990000{self._env.rng.digits(7)}"
        card = TestCard(
            name="account",
            pan=digits + luhn_digit(digits),
            expiry="3011",
            balance=Money.parse(balance),
            outcome=ResponseCode.APPROVED,
            note="opened by a test",
        )
        request = OpenAccountRequest(
            pan=card.pan,
            pan_expiry=card.expiry,
            balance_minor=card.balance.minor,
            currency=card.balance.currency.number,
            status=f"ACCOUNT_STATUS_{status}",
        )
        opened = await self.stub(IssuerOperatorStub, "issuer", OPERATOR).OpenAccount(request)
        if opened.response_code != ResponseCode.APPROVED:
            # An account of that number was kept by data_dir, with another balance: draw another.
            return await self.open_account(balance, status=status)
        return card

    async def account(self, card: TestCard) -> GetAccountResponse:
        """How the account behind a card stands."""
        operator = self.stub(IssuerOperatorStub, "issuer", OPERATOR)
        account: GetAccountResponse = await operator.GetAccount(GetAccountRequest(pan=card.pan))
        return account

    async def balance(self, card: TestCard) -> Money:
        """What may be spent with a card now."""
        account = await self.account(card)
        return Money(account.available_minor, Currency.of(account.currency))

    async def payment(self, answer: CheckoutResponse, elapsed_s: float = 0.0) -> Payment:
        """What a test asserts about an answer of the merchant."""
        return Payment(
            ResponseCode(answer.response_code),
            answer.notice,
            answer.auth_code,
            answer.rrn,
            answer.pan_last_four,
            await self.trace(answer.trace_id),
            elapsed_s,
        )
