"""Several instances of each service: whichever is killed or restarted while payments run, every payment is approved."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from patience import patient

from bench.fleet import Fleet, sailing
from cardnet.errors import Fault
from cardnet.money import Money
from cardnet.steps import SERVICES
from cardnet.test_cards import test_card
from cardnet.testing.processes import ServiceProcess

pytestmark = pytest.mark.asyncio(loop_scope="module")

AT_ONCE = 6
BETWEEN = 15
"""Payments that are answered between one restart and the next."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet() -> AsyncIterator[Fleet]:
    async with sailing(2, patient()) as fleet:
        yield fleet


class Customers:
    """They pay with one card without a pause until they are told to stop."""

    def __init__(self, fleet: Fleet, card_on_file: str, name: str) -> None:
        self.answers: Counter[str] = Counter()
        self._cardholder = fleet.network.cardholder(name)
        self._card = card_on_file
        self._name = name
        self._stopping = False
        self._answered = asyncio.Condition()

    async def shop(self) -> None:
        await asyncio.gather(*(self._shop(number) for number in range(AT_ONCE)))

    async def more(self) -> None:
        """Wait until some more payments have been answered."""
        async with self._answered:
            enough = self.answers.total() + BETWEEN
            await self._answered.wait_for(lambda: self.answers.total() >= enough)

    def stop(self) -> None:
        self._stopping = True

    async def _shop(self, number: int) -> None:
        bought = 0
        while not self._stopping:
            bought += 1
            try:
                answer = await self._cardholder.pay(self._card, PRICE, f"{self._name}-{number}-{bought}")
                said = answer.response_code
            except Fault as fault:
                said = fault.reason
            async with self._answered:
                self.answers[said] += 1
                self._answered.notify_all()


PRICE = Money.parse("0.01 EUR")


async def restarted(process: ServiceProcess) -> None:
    await process.stop()
    await process.start()


async def killed(process: ServiceProcess) -> None:
    await process.kill()
    await process.start()


@pytest.mark.parametrize("how", [restarted, killed], ids=["restarted", "killed"])
async def test_an_instance_of_each_goes_while_payments_run_and_all_are_approved(fleet: Fleet, how) -> None:
    card = test_card("approved-eur")
    name = f"customer-{how.__name__}"
    on_file = await fleet.network.cardholder(name).save_card(card.pan, card.expiry)
    customers = Customers(fleet, on_file.id, name)
    shopping = asyncio.create_task(customers.shop())
    await customers.more()
    for service in SERVICES:
        for process in fleet.instances[service]:
            await how(process)
            await customers.more()
    customers.stop()
    await shopping
    assert set(customers.answers) == {"00"}, customers.answers
