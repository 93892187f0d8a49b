"""Two hops of a payment are disturbed at once, the second after the first delivery: nobody pays twice."""

import itertools
from collections.abc import Mapping

import pytest
import pytest_asyncio
from leap import leaping
from patience import DISTURBED
from shopper import forty_seconds_pass, new_shopper
from waiting import until

from cardnet.errors import Fault, InProgress
from cardnet.testing import LocalNetwork
from cardnet.wire import Link

pytestmark = pytest.mark.asyncio(loop_scope="module")

OUTER = ("merchant-acquirer", "acquirer-network")
INNER = ("network-tsp", "network-issuer")
ERRORS = ("RESOURCE_EXHAUSTED", "UNIMPLEMENTED", "UNAVAILABLE", "DEADLINE_EXCEEDED")
"""One for each kind of fault that a status without details stands for."""
PAIRS = (
    *itertools.product(OUTER, ({"duplicate": True},), INNER, ERRORS),
    *itertools.product(OUTER, ({"drop": "answer"}, {"latency_ms": 60_000}), INNER[1:], ERRORS[:1]),
)


class Second:
    """A tap: once the issuer has held an amount, another switch is set."""

    def __init__(self) -> None:
        self.network: LocalNetwork
        self.switch: tuple[str, str] | None = None

    def __call__(self, service: str, link: Link) -> Link:
        return _ToIssuer(self, link) if service == "issuer" else link

    def set(self) -> None:
        if self.switch:
            (hop, error), self.switch = self.switch, None
            self.network.faults.set(hop, error=error)


class _ToIssuer:
    def __init__(self, second: Second, link: Link) -> None:
        self._second, self._link = second, link
        self.stream, self.close = link.stream, link.close

    async def call(self, method: str, data: bytes, metadata: Mapping[str, str], timeout_s: float) -> bytes:
        answer = await self._link.call(method, data, metadata, timeout_s)
        if method.endswith("/Authorise"):
            self._second.set()
        return answer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def second():
    second = Second()
    with leaping():
        async with LocalNetwork(in_process=True, faults=True, settings=DISTURBED, tap=second) as second.network:
            yield second


def shown(part):
    return part if isinstance(part, str) else " ".join(map(str, *part.items()))


@pytest.mark.parametrize(("outer", "way", "inner", "error"), PAIRS, ids=shown)
async def test_money_moves_once_though_the_second_delivery_meets_an_error(second, outer, way, inner, error):
    network, shopper = second.network, await new_shopper(second.network)
    network.faults.set(outer, **way, times=1)
    second.switch = (inner, error)

    key = f"twice-disturbed-{shopper.on_file.id}"
    answer = await shopper.pay(key)
    network.faults.clear()
    second.switch = None

    async def known():
        nonlocal answer
        answer = await shopper.pay(key)
        if isinstance(answer, Fault):
            await forty_seconds_pass(network)
        return not isinstance(answer, InProgress)

    await until(known, "the shop knows what became of it")
    await shopper.stands(0 if isinstance(answer, Fault) or not answer.approved else 1)
