"""Who asks for a trace waits for services that failed to answer: a live one's spans come late, a dead one's never."""

import asyncio

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from patience import AMPLE_S
from payment_spans import checkout, number, sent, submission

from cardnet.traces.archive import Archive
from cardnet.traces.kept import ENDS_WITHIN_S
from cardnet.traces.trace import Trace

KILLED = "the acquirer did not answer SubmitPayment: UNAVAILABLE; it may have been killed, or could not be reached"


class Clock:
    """The event loop's, which moves when the test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(asyncio.get_running_loop(), "time", clock)
    return clock


async def unanswered(fault: str = "UNAVAILABLE", disturbed: str = "") -> TracesData:
    """The merchant's records of a payment for which the acquirer had no answer."""
    call = submission(1, server=False, fault=fault)._replace(disturbed=disturbed)
    return await sent("merchant", [call, checkout(1)])


async def late() -> TracesData:
    """The acquirer's own record, which came after the merchant's."""
    return await sent("acquirer", [submission(1, server=True, fault="UNAVAILABLE")])


async def asking(archive: Archive) -> "asyncio.Task[Trace]":
    """Somebody who asks for the trace, and has it by now unless there is something to wait for."""
    task = asyncio.create_task(archive.find(number(1), AMPLE_S))
    await turns()
    return task


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_who_failed_to_answer_and_lives_is_waited_for(clock: Clock) -> None:
    archive = Archive()
    await archive.take(await unanswered())
    asked = await asking(archive)
    assert not asked.done()
    await archive.take(await late())
    await turns()
    assert asked.done() and asked.result().missing == []


async def test_who_failed_to_answer_and_is_dead_is_waited_for_a_second_and_named(clock: Clock) -> None:
    archive = Archive()
    await archive.take(await unanswered())
    asked = await asking(archive)
    assert not asked.done()
    clock.now += ENDS_WITHIN_S
    await turns()
    assert asked.done() and asked.result().missing == [KILLED]


async def test_nobody_waits_for_the_dead_of_long_ago(clock: Clock) -> None:
    archive = Archive()
    await archive.take(await unanswered())
    clock.now += ENDS_WITHIN_S
    asked = await asking(archive)
    assert asked.done() and asked.result().missing == [KILLED]


async def test_who_answered_is_waited_for_as_long_as_somebody_has_patience(clock: Clock) -> None:
    archive = Archive()
    await archive.take(await sent("merchant", [submission(1, server=False), checkout(1)]))
    asked = await asking(archive)
    clock.now += AMPLE_S - 0.1
    await turns()
    assert not asked.done()
    clock.now += 0.1
    await turns()
    assert asked.done()


@pytest.mark.parametrize("switch", ["the request does not arrive", "answered UNAVAILABLE, nobody is asked"])
async def test_nobody_is_waited_for_whom_a_fault_switch_left_unasked(switch: str, clock: Clock) -> None:
    archive = Archive()
    await archive.take(await unanswered(disturbed=switch))
    assert (await asking(archive)).done() and [entry.complete for entry in archive.entries()] == [True]


async def test_whose_answer_a_fault_switch_lost_is_waited_for(clock: Clock) -> None:
    archive = Archive()
    await archive.take(await unanswered(disturbed="the answer is lost"))
    asked = await asking(archive)
    assert not asked.done()
    await archive.take(await sent("acquirer", [submission(1, server=True)]))
    await turns()
    assert asked.done() and 8 in asked.result().numbers()


async def test_the_dead_of_before_a_restart_are_not_waited_for(clock: Clock, tmp_path) -> None:
    first, again = Archive(), Archive()
    await first.keep_in(tmp_path / "traces.db")
    await first.take(await unanswered())
    await first.close()
    await again.keep_in(tmp_path / "traces.db")
    assert (await asking(again)).done()


async def test_the_list_blames_nobody_whose_record_may_still_come(clock: Clock) -> None:
    archive, told = Archive(), list[bool]()
    archive.on_entry.append(lambda entry: told.append(entry.complete))
    await archive.take(await unanswered())
    assert told == []
    await archive.take(await late())
    assert told == [True]


async def test_the_list_has_the_payment_of_a_dead_service_after_that_second(clock: Clock) -> None:
    archive = Archive()
    await archive.take(await unanswered())
    clock.now += ENDS_WITHIN_S
    await archive._settle_late()
    assert archive.entries() == []
    clock.now += 0.01
    await archive._settle_late()
    assert [entry.complete for entry in archive.entries()] == [False]
