"""Somebody who pays while processes die, and what must be true of their money in the end."""

import asyncio
from contextlib import asynccontextmanager

from patience import STORE_TIMEOUT_S
from waiting import until

from cardnet.errors import Fault, InvalidField
from cardnet.money import Money
from cardnet.store import Store
from cardnet.v1.merchant_pb2 import ConfirmCardRequest
from cardnet.v1.merchant_pb2_grpc import MerchantStub

LIMIT, PRICE = Money.parse("100.00 USD"), Money.parse("12.50 USD")


async def new_shopper(network):
    """A shopper with a new account and its card on file."""
    card = await network.open_account(str(LIMIT))
    return Shopper(network, card, await network.save_card(card))


class Shopper:
    """A new card, on file, and what becomes of its account."""

    def __init__(self, network, card, on_file):
        self.network, self.card, self.on_file = network, card, on_file
        self.keys = 0

    async def pay(self, key, amount=PRICE):
        """The shop's answer, or the fault in its place."""
        try:
            return await self.network.cardholder().pay(self.on_file.id, amount, key)
        except Fault as fault:
            return fault

    async def hears_the_shop(self):
        """Whether the shop is reached, by a question that it refuses."""
        try:
            await MerchantStub(self.network.channel("merchant")).ConfirmCard(ConfirmCardRequest())
        except Fault as fault:
            return isinstance(fault, InvalidField)

    def begin(self, key):
        return asyncio.create_task(self.pay(key))

    async def stands(self, approvals):
        """Wait until the account shows so many holds and no others, and no reversal is left to do."""
        held = approvals * PRICE.minor

        async def settled():
            account = await self.account()
            if isinstance(account, Fault) or await pending(self.network, "network", "acquirer"):
                return False
            assert account.available_minor + account.held_minor == LIMIT.minor
            return (account.holds, account.held_minor) == (approvals, held)

        await until(settled, f"{approvals} holds stand and no reversal is left")

    async def account(self):
        try:
            return await self.network.account(self.card)
        except Fault as fault:
            return fault

    async def pays_again(self):
        """All is well: a purchase under a new key goes through. Tries, for connections come back one by one."""

        async def approved():
            self.keys += 1
            answer = await self.pay(f"again-{self.on_file.id}-{self.keys}")
            return not isinstance(answer, Fault) and answer.approved

        await until(approved, "a payment is approved again")
        await self.stands(1)


@asynccontextmanager
async def admin(network):
    store = Store(network.store.admin_url, owner="test", timeout_s=STORE_TIMEOUT_S)
    try:
        yield store
    finally:
        await store.close()


async def pending(network, *services):
    """What is written down as begun and not crossed out, or as to be reversed."""
    async with admin(network) as store:
        return [await store.command("ZCARD", f"{name}:{{journal}}:pending") for name in services] != [0] * len(services)


async def forty_seconds_pass(network):
    """What is begun and not finished falls due now: journals go by the wall, on which a test must not wait."""
    async with admin(network) as store:
        for name in ("merchant", "acquirer"):
            journal = f"{name}:{{journal}}:pending"
            for id_ in await store.command("ZRANGE", journal, "0", "-1"):
                await store.command("ZADD", journal, "XX", "0", id_)


async def admitted(network):
    """The names of the authorisations that have got past the token service provider."""
    async with admin(network) as store:
        histories = await store.command("KEYS", "tsp:*:history")
        fields = [field.decode() for key in histories for field in await store.command("HKEYS", key)]
    return {field for field in fields if not field.startswith(("reversed:", "rrn:"))}


@asynccontextmanager
async def at_the_paused_issuer(shopper, key):
    """A payment that is certainly on its way: past step 4, and before an issuer that stands still."""
    network = shopper.network
    issuer = network.processes["issuer"]
    before = await admitted(network)
    issuer.pause()
    try:
        payment = shopper.begin(key)

        async def passed():
            return await admitted(network) - before

        await until(passed, "the payment is on its way to the issuer")
        yield payment
    finally:
        issuer.resume()
