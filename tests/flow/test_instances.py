"""Several instances of each service: whichever is killed or restarted while payments run, every payment is approved."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from patience import AMPLE_S, patient
from waiting import until

from bench.fleet import Fleet, sailing
from cardnet.errors import Fault
from cardnet.identity import CARDHOLDER
from cardnet.money import Money
from cardnet.steps import SERVICES
from cardnet.test_cards import test_card
from cardnet.testing.processes import ServiceProcess
from cardnet.testing.remote import identity_in
from cardnet.wire import GrpcLink

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


async def found_again(fleet: Fleet, process: ServiceProcess) -> bool:
    """Whether everybody who asks this instance has a connection to it again: then the other one may go."""
    connections = established(int(process.listen.rpartition(":")[2]))
    return all(connections & sockets_of(pid) for pid in callers(fleet, process.name))


async def answers(fleet: Fleet, process: ServiceProcess) -> None:
    """Wait until an instance answers one who came after all others: a connection stands before it does anything."""
    link = GrpcLink(process.name, process.listen, identity_in(fleet.network._identities, CARDHOLDER))
    try:
        await link.call("/grpc.health.v1.Health/Check", b"", {}, AMPLE_S)
    finally:
        await link.close()


def established(port: int) -> set[str]:
    """The connections to a port of this machine that stand: their callers' ends, as the kernel numbers sockets."""
    known = (Path(f"/proc/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6"))
    lines = [line.split() for some in known for line in some]
    return {f"socket:[{line[9]}]" for line in lines if line[3] == "01" and line[2].endswith(f":{port:04X}")}


def sockets_of(pid: int) -> set[str]:
    """The sockets that a process has open, as the kernel numbers them."""
    found = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # closed since
            found.add(str(descriptor.readlink()))
    return found


ASKED_BY = {"acquirer": ["merchant"], "network": ["acquirer"], "tsp": ["merchant", "network"], "issuer": ["network"]}
"""Who asks a service in a payment. Others may have connections too: for each card, a tsp asks an issuer."""


def callers(fleet: Fleet, service: str) -> list[int]:
    """The processes of all instances that ask a service; the customers are in ours."""
    asking = [process.pid for name in ASKED_BY.get(service, []) for process in fleet.instances[name]]
    return asking or [os.getpid()]


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
            await until(partial(found_again, fleet, process), f"the {service} is found again")
            await answers(fleet, process)
            await customers.more()
    customers.stop()
    await shopping
    assert set(customers.answers) == {"00"}, customers.answers
