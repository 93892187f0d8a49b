"""Changes of a token against payments with it, all at once: whatever overtakes what, it is one step after the other."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from itertools import count
from typing import Any

import pytest
from linearizable import APPROVED, IS_SUSPENDED, PAY, RESUME, SUSPEND, Operation, linearizable
from parties import Parties

from cardnet.identity import ISSUER, MERCHANT, OPERATOR
from cardnet.testing import LocalNetwork
from cardnet.v1.payment_pb2 import TokenData

pytestmark = pytest.mark.asyncio(loop_scope="module")

AT_ONCE, WAVES = 64, 3
PRICE = "1.00 USD"
BUSY = "96"
"""What a payment is answered that found the token changed every time it looked: it has not been made."""


class Witness:
    """One token, and all that was seen of it, in the order in which it was seen."""

    def __init__(self, network: LocalNetwork, token: TokenData) -> None:
        self._parties = Parties(network)
        self._token = token
        self._moments = count()
        self.history: list[Operation] = []

    async def pay(self) -> None:
        await self._note(PAY, "", self._parties.shop.submit(self._token, PRICE))

    async def change(self, name: str, party: str) -> None:
        await self._note(name, party, self._parties.ask(party, name.capitalize(), self._token))

    async def suspend_and_resume(self, party: str, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.change(SUSPEND, party)
            await self.change(RESUME, party)

    async def _note(self, name: str, party: str, asking: Awaitable[Any]) -> None:
        begun = next(self._moments)
        outcome = (await asking).response_code
        if outcome != BUSY:
            self.history.append(Operation(name, begun, next(self._moments), outcome, party))

    def outcomes(self, name: str) -> Counter[str]:
        return Counter(operation.outcome for operation in self.history if operation.name == name)


@pytest.mark.parametrize("parties", [(MERCHANT, ISSUER), (ISSUER, OPERATOR)], ids="-".join)
async def test_no_payment_is_approved_between_a_suspension_and_the_resumption(
    either_network: LocalNetwork, parties: tuple[str, str]
) -> None:
    network = either_network
    card = await network.open_account("1000.00 USD")
    witness = Witness(network, await Parties(network).shop.token(card))
    stop = asyncio.Event()
    changing = [asyncio.create_task(witness.suspend_and_resume(party, stop)) for party in parties]

    for wave in range(4 * WAVES):
        await asyncio.gather(*(witness.pay() for _ in range(AT_ONCE)))
        if wave + 1 >= WAVES and witness.outcomes(PAY).keys() == {APPROVED, IS_SUSPENDED}:
            break  # on a slow machine suspensions may fall between the waves for a while
    stop.set()
    await asyncio.gather(*changing)
    await witness.pay()  # nobody suspends it any more

    assert linearizable(witness.history)
    paid = witness.outcomes(PAY)
    assert paid.keys() == {APPROVED, IS_SUSPENDED}
    assert witness.outcomes(SUSPEND).keys() == {"00"}
    assert witness.outcomes(RESUME).keys() == {"00"}
    assert witness.history[-1].outcome == APPROVED
    account = await network.account(card)
    assert (account.holds, account.available_minor + account.held_minor) == (paid[APPROVED], card.balance.minor)


async def test_once_a_suspension_is_acknowledged_no_payment_passes(either_network: LocalNetwork) -> None:
    card = await either_network.open_account("1000.00 USD")
    witness = Witness(either_network, await Parties(either_network).shop.token(card))

    for _ in range(WAVES):
        early = [asyncio.create_task(witness.pay()) for _ in range(AT_ONCE // 2)]
        await witness.change(SUSPEND, ISSUER)
        acknowledged = witness.history[-1].ended
        held = (await either_network.account(card)).holds
        await asyncio.gather(*early, *(witness.pay() for _ in range(AT_ONCE // 2)))
        late = [one.outcome for one in witness.history if one.begun > acknowledged]
        assert late == [IS_SUSPENDED] * (AT_ONCE // 2)
        assert held <= (await either_network.account(card)).holds <= held + len(early)
        await witness.change(RESUME, ISSUER)

    assert linearizable(witness.history)


# The judge.


@pytest.mark.parametrize(
    ("history", "verdict"),
    [
        # name, party, begun, ended, outcome
        ("pay - 0 1 00", True),
        ("pay - 0 1 62", False),
        ("suspend a 0 1 00, pay - 2 3 62", True),
        ("suspend a 0 1 00, pay - 2 3 00", False),
        # Begun before the acknowledgement: either is right.
        ("suspend a 0 3 00, pay - 1 2 00", True),
        ("suspend a 0 3 00, pay - 1 2 62", True),
        ("pay - 0 3 00, suspend a 1 2 00", True),
        # Two at once, one of which saw the suspension before the other did not.
        ("suspend a 0 9 00, pay - 1 2 62, pay - 3 4 00", False),
        ("suspend a 0 9 00, pay - 1 2 00, pay - 3 4 62", True),
        # Asked for, not yet answered: it may have come about.
        ("suspend a 0 1 00, resume a 2 9 00, pay - 3 4 00", True),
        ("suspend a 0 1 00, resume a 2 9 00, pay - 3 4 00, pay - 5 6 62", False),
        # Two parties: active only when both have resumed.
        ("suspend a 0 1 00, suspend b 2 3 00, resume a 4 5 00, pay - 6 7 00", False),
        ("suspend a 0 1 00, suspend b 2 3 00, resume a 4 5 00, resume b 6 7 00, pay - 8 9 00", True),
        ("suspend a 0 1 00, suspend b 2 9 00, resume a 3 4 00, pay - 5 6 00", True),
        ("suspend a 0 1 00, resume b 2 3 57, pay - 4 5 62", True),
        ("suspend a 0 1 00, resume b 2 3 00", False),
        # An outcome that the model does not know is explained by nothing.
        ("pay - 0 1 91", False),
    ],
)
async def test_the_judge_tells_what_can_have_been_from_what_cannot(history: str, verdict: bool) -> None:
    operations = []
    for line in history.split(", "):
        name, party, begun, ended, outcome = line.split()
        operations.append(Operation(name, int(begun), int(ended), outcome, party.strip("-")))

    assert linearizable(operations) is verdict
    assert linearizable(operations[::-1]) is verdict
