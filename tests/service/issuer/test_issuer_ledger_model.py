"""The ledger against a plain model of it: whatever order holds, repeats and reversals come in, both say the same."""

import asyncio
from itertools import count

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from patience import STORE_TIMEOUT_S

from cardnet.card import Expiry, Pan, PaymentToken, luhn_digit
from cardnet.embedded_store import EmbeddedStore
from cardnet.money import Currency, Money
from cardnet.response_code import ResponseCode as Code
from cardnet.store import Store
from services.issuer.domain import Account, Answer, Cryptogram, Purchase, Transaction
from services.issuer.store import LIBRARY, RedisLedger

LIMIT = 1_000
EXPIRY = Expiry(2030, 11)
_numbers = count(1)

transactions = st.integers(1, 4).map(lambda number: Transaction("99990000001", f"{number:06}", "1122093000", "A" * 12))
amounts = st.sampled_from([1, 300, 400, 1_000, 1_001])
currencies = st.sampled_from([Currency.EUR, Currency.EUR, Currency.EUR, Currency.USD])
thoughts = st.sampled_from([Code.APPROVED, Code.APPROVED, Code.LOST_CARD])
counters = st.none() | st.integers(1, 3)


class Model:
    """The ledger of one account, as simply as it can be said."""

    def __init__(self):
        self.kept = {}  # what was answered, by transaction
        self.reversed = set()
        self.used = set()

    @property
    def held(self):
        live = [kept for key, kept in self.kept.items() if key not in self.reversed and kept[1] is Code.APPROVED]
        return sum(content[0].minor for content, _ in live), len(live)

    def take(self, transaction, content, thought, atc):
        if transaction in self.reversed:
            return Code.RESPONSE_TOO_LATE
        if transaction in self.kept:
            first, answer = self.kept[transaction]
            return answer if first == content else Code.DUPLICATE_TRANSMISSION
        answer = thought
        if atc in self.used:
            answer = Code.CRYPTOGRAM_FAILURE
        elif answer is Code.APPROVED and content[0].minor > LIMIT - self.held[0]:
            answer = Code.INSUFFICIENT_FUNDS
        self.used |= {atc} - {None}
        self.kept[transaction] = content, answer
        return answer

    def release(self, transaction, amount):
        if transaction in self.kept:
            original = self.kept[transaction][0][0]
            if original.currency is not amount.currency:
                return Code.RECORD_NOT_FOUND
            if original != amount:
                return Code.ORIGINAL_AMOUNT_INCORRECT
        self.reversed.add(transaction)
        return Code.APPROVED


class LedgerMachine(RuleBasedStateMachine):
    """One account and a handful of transactions, so that they meet often."""

    store_url = ""

    def __init__(self):
        super().__init__()
        self.model = Model()
        self.runner = asyncio.Runner()
        self.store = Store(self.store_url, LIBRARY, owner="issuer", timeout_s=STORE_TIMEOUT_S)
        self.ledger = RedisLedger(self.store, b"k" * 32)
        digits = f"99990060{next(_numbers):07}"
        self.pan = Pan(digits + luhn_digit(digits))
        empty = Account(expiry=EXPIRY, available=Money(LIMIT, Currency.EUR), held=Money(0, Currency.EUR), holds=0)
        assert self.runner.run(self.ledger.open_account(self.pan, empty))

    @rule(transaction=transactions, minor=amounts, merchant=st.sampled_from("AB"), thought=thoughts, atc=counters)
    def take(self, transaction, minor, merchant, thought, atc):
        amount = Money(minor, Currency.EUR)
        purchase = Purchase(
            transaction=transaction, pan=self.pan, expiry=EXPIRY, amount=amount, merchant_id=f"MERCHANT{merchant}"
        )
        cryptogram = Cryptogram(PaymentToken("9999400000000014"), atc) if atc else None
        answer = self.runner.run(self.ledger.take_hold(purchase, Answer(thought, "ABC123"), cryptogram))
        code = self.model.take(transaction, (amount, merchant), thought, atc)
        assert answer == (code, "ABC123" if code.approved else "")

    @rule(transaction=transactions, minor=amounts, currency=currencies)
    def release(self, transaction, minor, currency):
        amount = Money(minor, currency)
        answer = self.runner.run(self.ledger.release_hold(self.pan, transaction, amount))
        assert answer is self.model.release(transaction, amount)

    @invariant()
    def what_is_available_and_what_is_held_make_up_the_limit(self):
        account = self.runner.run(self.ledger.account(self.pan))
        assert account.available.minor + account.held.minor == LIMIT
        assert (account.held.minor, account.holds) == self.model.held
        assert account.available.minor >= 0

    def teardown(self):
        self.runner.run(self.store.close())
        self.runner.close()


@pytest.fixture(scope="module")
def store():
    with EmbeddedStore.start(None, ["issuer"]) as running:
        yield running


def test_the_ledger_agrees_with_its_model(store):
    machine = type("Machine", (LedgerMachine,), {"store_url": store.url("issuer")})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=100, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )
