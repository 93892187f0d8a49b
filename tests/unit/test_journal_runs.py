"""The journal under two instances: a payment that another instance has taken up is that instance's alone."""

import asyncio
from collections.abc import Iterator

import pytest
from patience import STORE_TIMEOUT_S

from cardnet import journal as journals
from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import InProgress, KeyReused, Unavailable
from cardnet.journal import ABANDONED_AFTER_S, Begun, Due, Journal
from cardnet.store import Store

NOW = 1_800_000_000.0
BODY, FIRST, LATER = b"body", b"the first instance's payload", b"the second instance's payload"


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedStore]:
    with EmbeddedStore.start(None, ("shop",)) as server:
        yield server


@pytest.fixture
async def journal(server: EmbeddedStore):
    admin = Store(server.admin_url, owner="test", timeout_s=STORE_TIMEOUT_S)
    await admin.command("FLUSHALL")
    await admin.close()
    store = Store(server.url("shop"), journals.LIBRARY, owner="shop", timeout_s=STORE_TIMEOUT_S)
    await store.open()
    yield Journal(store, "shop")
    await store.close()


async def begin(journal: Journal, payload: bytes = FIRST, body: bytes = BODY, *, again: bool = False) -> Begun:
    return await journal.begin("a", b"fingerprint", payload, NOW, body=body, again=again)


async def taken_up(journal: Journal) -> None:
    """Begun by one instance, run 1, and taken up by another, run 2."""
    await begin(journal)
    assert (await begin(journal, LATER, again=True)).run == 2


async def due(journal: Journal) -> list[bytes]:
    return [found.payload for found in await journal.take_due(NOW)]


async def state(journal: Journal) -> bytes | str:
    """The answer that a repeat gets, or in what state it finds the payment."""
    try:
        begun = await begin(journal)
    except InProgress:
        return "open"
    assert begun.abandoned == (begun.answer is None)
    return "abandoned" if begun.answer is None else begun.answer


# Taking up.


async def test_what_is_asked_again_is_taken_up_as_it_was_written_down(journal: Journal) -> None:
    await begin(journal)
    assert await begin(journal, LATER, again=True) == Begun(1, None, False, FIRST, 2)
    assert await begin(journal, LATER, again=True) == Begun(1, None, False, FIRST, 3)


async def test_what_was_never_begun_begins_also_where_it_is_asked_again(journal: Journal) -> None:
    assert await begin(journal, again=True) == Begun(1, None, False, FIRST, 1)


async def test_an_ordinary_repeat_takes_nothing_up(journal: Journal) -> None:
    await begin(journal)
    with pytest.raises(InProgress):
        await begin(journal)
    assert await journal.finish("a", b"yes", 1) == b"yes"


async def test_another_body_of_the_same_payment_takes_nothing_up(journal: Journal) -> None:
    await begin(journal)
    with pytest.raises(InProgress):
        await begin(journal, body=b"with another cryptogram", again=True)
    await journal.finish("a", b"yes", 1)
    assert (await begin(journal, body=b"with another cryptogram")).answer == b"yes"


async def test_another_payment_takes_nothing_up(journal: Journal) -> None:
    await begin(journal)
    with pytest.raises(KeyReused):
        await journal.begin("a", b"another fingerprint", LATER, NOW, body=BODY, again=True)


async def test_what_is_answered_or_abandoned_is_not_taken_up(journal: Journal) -> None:
    await begin(journal)
    await journal.finish("a", b"yes", 1)
    assert await begin(journal, again=True) == Begun(1, b"yes", False, FIRST, 1)
    await journal.abandon("a")
    assert await begin(journal, again=True) == Begun(1, None, True, FIRST, 1)


async def test_of_32_who_take_it_up_at_once_each_has_a_run_of_its_own_and_the_last_answers(journal: Journal) -> None:
    await begin(journal)
    runs = [begun.run for begun in await asyncio.gather(*(begin(journal, again=True) for _ in range(32)))]
    assert sorted(runs) == list(range(2, 34))
    said = await asyncio.gather(
        *(journal.finish("a", f"{run}".encode(), run) for run in range(1, 34)), return_exceptions=True
    )
    assert {type(one) for one in said[:-1]} == {Unavailable}
    assert said[-1] == b"33" == await state(journal)


# Two steps of two instances, in either order: the second is the later run's, or the earlier's.


async def test_finish_then_finish_the_later_run_s_answer_is_the_one(journal: Journal) -> None:
    await taken_up(journal)
    with pytest.raises(Unavailable, match="another instance"):
        await journal.finish("a", b"approved", 1)
    assert await state(journal) == "open"
    assert await journal.finish("a", b"refused", 2) == b"refused"
    assert await journal.finish("a", b"approved", 1) == b"refused"
    assert await journal.finish("a", b"refused", 2) == b"refused"
    assert await due(journal) == []


async def test_finish_then_give_up_or_forget_leaves_the_answer(journal: Journal) -> None:
    await taken_up(journal)
    await journal.finish("a", b"approved", 2)
    assert await journal.give_up("a", 1) == b"approved"
    await journal.forget("a", 1)
    assert await state(journal) == b"approved"
    assert await due(journal) == []


async def test_give_up_of_the_earlier_run_leaves_it_to_the_later(journal: Journal) -> None:
    await taken_up(journal)
    assert await journal.give_up("a", 1) is None
    assert await due(journal) == []
    assert await journal.finish("a", b"approved", 2) == b"approved"


async def test_give_up_of_the_later_run_is_for_both(journal: Journal) -> None:
    await taken_up(journal)
    await journal.give_up("a", 2)
    with pytest.raises(Unavailable, match="given back"):
        await journal.finish("a", b"approved", 1)
    assert await state(journal) == "abandoned"
    assert await due(journal) == [FIRST]


async def test_forget_of_the_earlier_run_leaves_it_to_the_later(journal: Journal) -> None:
    await taken_up(journal)
    await journal.forget("a", 1)
    assert await journal.finish("a", b"approved", 2) == b"approved"


async def test_forget_of_the_later_run_has_it_reversed_for_the_earlier_may_have_acted(journal: Journal) -> None:
    await taken_up(journal)
    await journal.forget("a", 2)
    with pytest.raises(Unavailable):
        await journal.finish("a", b"approved", 1)
    assert await state(journal) == "abandoned"
    assert await due(journal) == [FIRST]


async def test_what_the_only_run_forgot_begins_anew_and_is_no_earlier_run_s(journal: Journal) -> None:
    await begin(journal)
    await journal.forget("a", 1)
    assert await begin(journal, LATER, again=True) == Begun(2, None, False, LATER, 1)


@pytest.mark.parametrize("run", [1, 2])
async def test_what_its_caller_takes_back_stays_so_whatever_either_run_does(journal: Journal, run: int) -> None:
    await taken_up(journal)
    await journal.abandon("a")
    with pytest.raises(Unavailable):
        await journal.finish("a", b"approved", run)
    await journal.forget("a", run)
    await journal.give_up("a", run)
    assert await state(journal) == "abandoned"
    assert await due(journal) == [FIRST]
    await journal.settle("a")
    await journal.give_up("a", run)
    assert await journal.take_due(NOW + 1_000_000) == []


async def test_whoever_takes_it_up_has_no_more_time_for_it(journal: Journal) -> None:
    await begin(journal)
    await journal.begin("a", b"fingerprint", LATER, NOW + 30, body=BODY, again=True)
    assert await journal.take_due(NOW + ABANDONED_AFTER_S) == [Due("a", 1, FIRST)]
    with pytest.raises(Unavailable):
        await journal.finish("a", b"approved", 2)


# What never began here: the network keeps no payment, but for those that come more than once.


async def test_what_was_kept_is_not_given_up_and_what_was_given_up_is_not_kept(journal: Journal) -> None:
    assert await journal.keep("a", b"approved") == b"approved"
    assert await journal.keep("a", b"approved otherwise") == b"approved"
    assert await journal.give_up("a", 0, b"payload") == b"approved"
    assert await journal.give_up("b", 0, b"payload") is None
    assert await journal.keep("b", b"approved") is None
    assert [found.id for found in await journal.take_due(NOW)] == ["b"]
