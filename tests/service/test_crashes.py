"""Every line at which the merchant or the acquirer can die, or lose an answer: what was told and what is held agree.

Whatever a service does that others can see is a call, to its store or to a neighbour. So each call in turn is the last
thing that a process does, or the one that it tries in vain to do, or one whose answer does not come.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from houses import AcquirerHouse, House, MerchantHouse, Process, card, order, payment, reversal
from neighbours import emptied

from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import Fault, Unavailable
from cardnet.journal import ABANDONED_AFTER_S

FATES = ("dies before", "dies after", "is in vain", "loses the answer")


class Died(Exception):
    """The process is no more; nothing that it would have done happens."""


class Fate:
    """What befalls a process at one of its calls, counted from 1."""

    def __init__(self, process: Process, what: str, at: int) -> None:
        self._what, self._at = what, at
        self.calls = 0
        self._dead = False
        for thing, name in [(process.store, "call"), (process.store, "command"), *((a, "call") for a in process.links)]:
            setattr(thing, name, self._over(getattr(thing, name)))

    def _over(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def fated(*args: Any) -> Any:
            self.calls += 1
            if self._dead:
                raise Died
            if self.calls != self._at:
                return await call(*args)
            if self._what in ("dies after", "loses the answer"):
                await call(*args)
            if self._what.startswith("dies"):
                self._dead = True
                raise Died
            raise Unavailable("LOST", "no answer came")

        return fated


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedStore]:
    with EmbeddedStore.start(None, ("acquirer", "merchant")) as server:
        yield server


@pytest.fixture(params=[MerchantHouse, AcquirerHouse])
async def house(request: pytest.FixtureRequest, server: EmbeddedStore) -> AsyncIterator[House]:
    await emptied(server)
    async with request.param(server) as house:
        yield house


async def pay(house: House, process: Process, reference: str = "order-1") -> Any:
    """The answer, or the fault."""
    try:
        if isinstance(house, AcquirerHouse):
            return await process.calls.SubmitPayment(payment(reference))
        return await process.calls.Checkout(order(reference, card_on_file_id=await on_file(house)))
    except Fault as fault:
        return fault


async def on_file(house: House) -> str:
    return (await house.start().calls.SaveCard(card())).card_on_file_id


def held(house: House) -> int:
    """How many approvals stand behind the service."""
    return len(house.network.holds if isinstance(house, AcquirerHouse) else house.acquirer.approved)


def approved(outcome: Any) -> bool:
    return getattr(outcome, "response_code", "") == "00"


@pytest.mark.parametrize("at", range(1, 7))
@pytest.mark.parametrize("what", FATES)
async def test_what_the_customer_is_told_is_what_is_held(house, what, at) -> None:
    fated = house.start()
    fate = Fate(fated, what, at)
    told = await pay(house, fated)
    assert held(house) <= 1

    # Another process takes over, and time passes.
    after = house.start()
    await after.later(ABANDONED_AFTER_S)
    await after.later()
    if approved(told):
        assert held(house) == 1
    again = await pay(house, after)
    assert not isinstance(again, Unavailable) or again.reason == "OUTCOME_UNKNOWN_REVERSED"
    await after.later(ABANDONED_AFTER_S)
    assert held(house) == approved(again)
    if approved(told):
        assert again == told
    assert fate.calls >= at or approved(told), "this fate never came: the payment went well"


@pytest.mark.parametrize("at", range(1, 4))
@pytest.mark.parametrize("what", FATES)
async def test_a_reversal_is_sent_until_it_is_settled_whatever_befalls_the_sender(house, what, at) -> None:
    first = house.start()
    assert approved(await pay(house, first))
    if isinstance(house, AcquirerHouse):
        await first.calls.ReversePayment(reversal())
    else:
        await first.journal.abandon("order-1")

    fated = house.start()
    Fate(fated, what, at)
    with suppress(Fault, Died):  # where the store was away, the loop looks again
        await fated.later(0)
    await house.start().later()
    assert held(house) == 0
    assert not approved(await pay(house, house.start()))
