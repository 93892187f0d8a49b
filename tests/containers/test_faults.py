"""Containers are killed, and certificates replaced, while payments run: no payment is lost, doubled or refused.

What a payment took is read off the account, by public calls alone: purchases for exactly what is on it are approved,
and after them there is not a cent left.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from secrets import token_hex
from typing import NamedTuple

from stack import STORES, Stack, docker
from waiting import until

from cardnet.cardholder import CardOnFile
from cardnet.errors import Fault
from cardnet.money import Money
from cardnet.response_code import ResponseCode
from cardnet.test_cards import test_card
from cardnet.testing import RemoteNetwork

AT_ONCE = 12


class Answer(NamedTuple):
    """What a purchase was answered. code: a response code, or a fault's reason."""

    code: str
    auth_code: str
    rrn: str


class Purse:
    """A card whose whole balance is spent in equal purchases."""

    def __init__(self, network: RemoteNetwork, card: CardOnFile, name: str, purchases: int) -> None:
        self.balance = test_card(name).balance
        self.price = Money(self.balance.minor // purchases, self.balance.currency)
        assert self.price.minor * purchases == self.balance.minor
        self.purchases = purchases
        self.name = name
        self._card = card
        self._cardholder = network.cardholder(f"spender-{name}")

    @classmethod
    async def of(cls, network: RemoteNetwork, name: str, purchases: int) -> "Purse":
        """The purse of a test card that nobody paid with yet."""
        return cls(network, await network.save_card(name, f"spender-{name}"), name, purchases)

    async def buy(self, number: int) -> Answer:
        """What the purchase of this number is answered; the same each time that it is asked for."""
        return await self._answered(self.price, f"{self.name}-{number}")

    async def rest(self) -> str:
        """The answer to a purchase for the least amount that there is."""
        return (await self._answered(Money(1, self.price.currency), f"{self.name}-rest")).code

    async def _answered(self, amount: Money, key: str) -> Answer:
        try:
            answer = await self._cardholder.pay(self._card.id, amount, key)
        except Fault as fault:
            return Answer(fault.reason, "", "")
        return Answer(answer.response_code, answer.auth_code, answer.rrn)


async def spent(purse: Purse, meanwhile: Mapping[int, Callable[[], object]] | None = None) -> Counter[str]:
    """Spend a purse, several purchases at once, and count the answers.

    meanwhile: what is done, beside the payments, when so many are answered.
    """
    left = list(range(purse.purchases))
    answers: Counter[str] = Counter()
    doing = []

    async def customer() -> None:
        while left:
            answers[(await purse.buy(left.pop())).code] += 1
            deed = (meanwhile or {}).get(answers.total())
            if deed:
                doing.append(asyncio.create_task(asyncio.to_thread(deed)))

    async with asyncio.TaskGroup() as customers:
        for _ in range(AT_ONCE):
            customers.create_task(customer())
    await asyncio.gather(*doing)
    assert len(doing) == len(meanwhile or {})
    return answers


@asynccontextmanager
async def brought_back(stack: Stack, *containers: str) -> AsyncIterator[None]:
    """Start containers again in the end, and wait until all is healthy."""
    try:
        yield
    finally:
        await asyncio.to_thread(docker, "start", *containers)
        await healthy(stack)


async def healthy(stack: Stack) -> None:
    async def look() -> bool:
        described = await asyncio.to_thread(stack.described)
        states = [one["State"].get("Health", {}).get("Status", "healthy") for one in described]
        return set(states) == {"healthy"}

    await until(look, "all containers are healthy")


async def test_an_instance_of_each_is_killed_under_load_and_every_payment_is_approved(
    stack: Stack, network: RemoteNetwork
) -> None:
    purse = await Purse.of(network, "approved-jpy", 500)
    victims = {name: stack.ids(name)[0] for name in ("network", "tsp", "acquirer", "issuer")}
    kills = {100 * number: partial(docker, "kill", victim) for number, victim in enumerate(victims.values(), 1)}

    async with brought_back(stack, *victims.values()):
        assert await spent(purse, kills) == {"00": 500}
        assert await purse.rest() == ResponseCode.INSUFFICIENT_FUNDS


async def test_stores_that_are_killed_have_all_that_was_answered(stack: Stack, network: RemoteNetwork) -> None:
    purse = await Purse.of(network, "insufficient-funds", 100)
    half = [await purse.buy(number) for number in range(50)]
    stores = stack.ids(*STORES)

    async with brought_back(stack, *stores):
        await asyncio.to_thread(docker, "kill", *stores)
        assert (await purse.buy(50)).code != ResponseCode.APPROVED
    repeated = [await purse.buy(number) for number in range(50)]
    rest = [await purse.buy(number) for number in range(50, 100)]

    assert {answer.code for answer in (*half, *rest)} == {"00"}
    assert repeated == half and len(set(half)) == 50  # by the numbers that each got
    assert await purse.rest() == ResponseCode.INSUFFICIENT_FUNDS


async def test_certificates_are_replaced_while_payments_run_and_no_call_fails(
    stack: Stack, network: RemoteNetwork
) -> None:
    """First by an authority that starts anew, then by one whose certificates live for 24 seconds."""
    card = await network.save_card("approved-debit")
    merchant = stack.ids("merchant")[0]
    seen = [await asyncio.to_thread(_certificate, stack, merchant)]
    short_lived = partial(
        stack.compose, "up", "--detach", "--no-deps", "authority", CARDNET_CERTIFICATE_DAYS=f"{24 / 86400:.6f}"
    )
    answers: Counter[str] = Counter()
    renewed = asyncio.Event()

    async def pay() -> None:
        while not renewed.is_set():
            paid = await network.cardholder().pay(card.id, Money.parse("0.01 USD"), f"pay{token_hex(8)}")
            answers[paid.response_code] += 1

    async def another() -> bool:
        now = await asyncio.to_thread(_certificate, stack, merchant)
        if now not in seen:
            seen.append(now)
            await asyncio.to_thread(stack.identities)  # as a cardholder does whose papers were replaced
        return len(seen) == 3

    async with asyncio.TaskGroup() as both:
        payers = [both.create_task(pay()) for _ in range(4)]
        await asyncio.to_thread(short_lived)
        try:
            await until(another, "certificates were replaced twice")
        finally:
            await asyncio.to_thread(stack.compose, "up", "--detach", "--no-deps", "authority")
            renewed.set()
        await asyncio.gather(*payers)
    await healthy(stack)
    assert set(answers) == {"00"}


def _certificate(stack: Stack, container: str) -> str:
    return stack.execute(container, "cat", "/run/cardnet/identity/tls.crt")
