"""Each service is killed in the middle of a payment; the trace tells which steps were taken and who fell silent."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import pytest_asyncio
from patience import patient
from waiting import until

from cardnet.errors import Fault, NotFound
from cardnet.testing import LocalNetwork
from cardnet.traces.spans import call_of
from cardnet.traces.trace import Trace
from cardnet.traces.verdict import verdict_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

CRYPTOGRAM, DETOKENISED = "RequestCryptogram", "Detokenise"

Blow = Callable[[LocalNetwork, str], Awaitable[None]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network() -> AsyncIterator[LocalNetwork]:
    async with LocalNetwork(settings=patient()) as network:
        yield network


async def kill_who_was_asked(network: LocalNetwork, name: str) -> None:
    await network.processes[name].kill()


async def kill_the_tsp_before_the_network_asks(network: LocalNetwork, _: str) -> None:
    network.processes["tsp"].pause()
    network.processes["acquirer"].resume()
    await network.processes["tsp"].kill()


async def kill_the_merchant_while_the_issuer_thinks(network: LocalNetwork, _: str) -> None:
    await network.processes["merchant"].kill()
    network.processes["issuer"].resume()


CASES = [
    # killed, who is paused so that the payment stays there, the call that tells that it has come so far, the blow,
    # the steps that the trace has, who is said to be silent
    (
        "acquirer",
        "acquirer",
        CRYPTOGRAM,
        kill_who_was_asked,
        [1, 2],
        "the acquirer did not answer SubmitPayment: UNAVAILABLE; it may have been killed, or could not be reached",
    ),
    (
        "network",
        "network",
        CRYPTOGRAM,
        kill_who_was_asked,
        [1, 2, 3],
        "the network did not answer RouteAuthorisation: UNAVAILABLE; it may have been killed, or could not be reached",
    ),
    (
        "tsp",
        "acquirer",
        CRYPTOGRAM,
        kill_the_tsp_before_the_network_asks,
        [1, 2, 3, 4, 7, 8, 9],
        "the tsp did not answer Detokenise: UNAVAILABLE; it may have been killed, or could not be reached",
    ),
    (
        "issuer",
        "issuer",
        DETOKENISED,
        kill_who_was_asked,
        [1, 2, 3, 4, 5, 7, 8, 9],
        "the issuer did not answer Authorise: UNAVAILABLE; it may have been killed, or could not be reached",
    ),
    (
        "merchant",
        "issuer",
        DETOKENISED,
        kill_the_merchant_while_the_issuer_thinks,
        [3, 4, 5, 6, 7],
        "the merchant asked SubmitPayment, but its own record of that has not come: it may have been killed",
    ),
]


@asynccontextmanager
async def all_well_again(network: LocalNetwork, killed: str, paused: str) -> AsyncIterator[None]:
    try:
        yield
    finally:
        if paused != killed:
            network.processes[paused].resume()
        await network.processes[killed].start()


async def recorded(network: LocalNetwork, trace_id: str, call: str) -> bool:
    """Whether a service has sent its record of a call."""
    with suppress(NotFound):
        data = network.collector.archive.spans(trace_id)
        return any(
            call_of(span) == call for one in data.resource_spans for scope in one.scope_spans for span in scope.spans
        )
    return False


@pytest.mark.parametrize(("killed", "paused", "after", "blow", "steps", "silent"), CASES, ids=[row[0] for row in CASES])
async def test_a_killed_service_leaves_a_trace_that_names_it(
    network: LocalNetwork, killed: str, paused: str, after: str, blow: Blow, steps: list[int], silent: str
) -> None:
    trace_id = f"{CASES.index((killed, paused, after, blow, steps, silent)) + 1:032x}"
    card = await until(lambda: card_if_all_answer(network), "every service answers")
    async with all_well_again(network, killed, paused):
        network.processes[paused].pause()
        payment = asyncio.ensure_future(
            network.checkout(card, "1.00 USD", traceparent=f"00-{trace_id}-b7ad6b7169203331-01")
        )
        await until(lambda: recorded(network, trace_id, after), f"{after} is recorded")
        await blow(network, killed)
        with suppress(Fault):
            await payment

        seen: list[Trace] = []

        async def settled() -> Trace | None:
            seen[:] = [network.collector.archive.find_now(trace_id)]
            return seen[0] if seen[0].numbers() == steps and silent in seen[0].missing else None

        with suppress(AssertionError):  # said below, with what is there
            await until(settled, "the trace is as it should be")
        (trace,) = seen
        assert (trace.numbers(), silent) == (steps, silent) and silent in trace.missing, trace.missing
        assert all(killed in sentence for sentence in trace.missing), trace.missing
        (entry,) = await entries(network, trace_id)
        assert not entry.complete


async def test_a_tsp_that_is_dead_before_the_payment_began_is_named_and_not_the_merchant(
    network: LocalNetwork,
) -> None:
    trace_id = "d" * 32
    card = await until(lambda: card_if_all_answer(network), "every service answers")
    async with all_well_again(network, "tsp", "tsp"):
        await network.processes["tsp"].kill()
        with suppress(Fault):
            await network.checkout(card, "1.00 USD", traceparent=f"00-{trace_id}-b7ad6b7169203331-01")

        async def settled() -> Trace | None:
            with suppress(NotFound):
                trace = network.collector.archive.find_now(trace_id)
                return trace if trace.numbers() else None
            return None

        trace = await until(settled, "the merchant's record of the checkout has come")
        verdict = verdict_of(trace)
        assert verdict and (trace.numbers(), verdict.step, verdict.service) == ([1], 1, "tsp")
        assert verdict.reason.startswith("step 1: the token service provider, asked RequestCryptogram: ")
        assert [sentence.partition(":")[0] for sentence in trace.missing] == [
            "the tsp did not answer RequestCryptogram"
        ]


async def entries(network: LocalNetwork, trace_id: str) -> list:
    async def found() -> list:
        return [entry for entry in network.collector.archive.entries() if entry.trace_id == trace_id]

    return await until(found, "the list has the payment")


async def card_if_all_answer(network: LocalNetwork):
    with suppress(Fault):
        card = await network.save_card("approved")
        payment = await network.checkout(card, "1.00 USD")
        return card if payment.approved else None
