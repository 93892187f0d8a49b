"""The journal: what was begun is answered or taken back, never both, though steps come twice, late or not at all."""

import asyncio
from collections.abc import Iterator

import pytest
from patience import STORE_TIMEOUT_S, ample

from cardnet import journal as journals
from cardnet.embedded_store import EmbeddedStore
from cardnet.env import Clock
from cardnet.errors import InProgress, KeyReused, Unavailable
from cardnet.journal import ABANDONED_AFTER_S, CLOCKS_DIFFER_S, OFFERED_AGAIN_S, Begun, Due, Journal
from cardnet.reversals import Reversals
from cardnet.store import Store

NOW = 1_800_000_000.0
DUE = NOW + ABANDONED_AFTER_S
THIS, OTHER = b"this body", b"another body"
PAYLOAD = b"payload of a"


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedStore]:
    with EmbeddedStore.start(None, ("shop",)) as server:
        yield server


@pytest.fixture
async def journal(server: EmbeddedStore):
    admin = Store(server.admin_url, journals.LIBRARY, owner="test", timeout_s=STORE_TIMEOUT_S)
    await admin.command("FLUSHALL")
    await admin.close()
    store = Store(server.url("shop"), journals.LIBRARY, owner="shop", timeout_s=STORE_TIMEOUT_S)
    await store.open()
    yield Journal(store, "shop")
    await store.close()


async def begin(journal: Journal, id_: str = "a", fingerprint: bytes = THIS, now_s: float = NOW) -> Begun:
    return await journal.begin(id_, fingerprint, b"payload of " + id_.encode(), now_s)


def fresh(number: int, id_: str = "a") -> Begun:
    return Begun(number, None, False, b"payload of " + id_.encode(), 1)


async def test_a_beginning_gets_the_next_number(journal: Journal) -> None:
    assert await begin(journal, "a") == fresh(1)
    assert await begin(journal, "b") == fresh(2, "b")


async def test_what_is_begun_and_not_answered_is_in_progress(journal: Journal) -> None:
    await begin(journal)
    with pytest.raises(InProgress):
        await begin(journal)


async def test_of_32_beginnings_at_once_one_begins(journal: Journal) -> None:
    outcomes = await asyncio.gather(*(begin(journal) for _ in range(32)), return_exceptions=True)
    assert [one for one in outcomes if isinstance(one, Begun)] == [fresh(1)]
    assert sum(isinstance(one, InProgress) for one in outcomes) == 31


@pytest.mark.parametrize("state", ["open", "answered", "abandoned"])
async def test_a_key_is_one_body_s_whatever_came_of_it(journal: Journal, state: str) -> None:
    await begin(journal)
    if state == "answered":
        await journal.finish("a", b"yes", 1)
    if state == "abandoned":
        await journal.abandon("a")
    with pytest.raises(KeyReused):
        await begin(journal, fingerprint=OTHER)


async def test_a_repeat_gets_the_answer_byte_for_byte(journal: Journal) -> None:
    await begin(journal)
    await journal.finish("a", b"\x00yes\xff", 1)
    assert await begin(journal) == Begun(1, b"\x00yes\xff", False, PAYLOAD, 1)


async def test_an_answer_that_is_empty_is_an_answer(journal: Journal) -> None:
    await begin(journal)
    await journal.finish("a", b"", 1)
    assert (await begin(journal)).answer == b""


async def test_what_is_answered_never_falls_due(journal: Journal) -> None:
    await begin(journal)
    await journal.finish("a", b"yes", 1)
    assert await journal.take_due(DUE + 1_000_000) == []


async def test_what_nobody_answers_falls_due_and_is_never_answered_after_that(journal: Journal) -> None:
    await begin(journal)
    assert await journal.take_due(DUE - 1) == []
    assert await journal.take_due(DUE) == [Due("a", 1, b"payload of a")]
    with pytest.raises(Unavailable, match="given back"):
        await journal.finish("a", b"yes", 1)
    assert await begin(journal) == Begun(1, None, True, PAYLOAD, 1)


async def test_what_is_abandoned_is_due_at_once_and_offered_until_it_is_settled(journal: Journal) -> None:
    await begin(journal)
    await journal.abandon("a")
    assert await journal.take_due(NOW) == [Due("a", 1, b"payload of a")]
    assert await journal.take_due(NOW) == []
    assert await journal.take_due(NOW + OFFERED_AGAIN_S) == [Due("a", 1, b"payload of a")]
    await journal.settle("a")
    await journal.settle("a")
    assert await journal.take_due(NOW + 1_000_000) == []
    assert (await begin(journal)).abandoned


async def test_giving_up_again_what_is_settled_does_not_reverse_it_again(journal: Journal) -> None:
    await begin(journal)
    await journal.abandon("a")
    await journal.settle("a")
    await journal.abandon("a")
    assert await journal.take_due(NOW + 1_000_000) == []


async def test_an_answer_can_be_taken_back(journal: Journal) -> None:
    await begin(journal)
    await journal.finish("a", b"yes", 1)
    await journal.abandon("a")
    assert [due.id for due in await journal.take_due(NOW)] == ["a"]
    assert (await begin(journal)).abandoned


async def test_what_is_given_up_before_it_came_is_refused_when_it_comes_and_not_reversed(journal: Journal) -> None:
    await journal.abandon("a")
    assert (await begin(journal)).abandoned
    assert await journal.take_due(NOW + 1_000_000) == []


async def test_what_is_given_up_before_it_came_is_reversed_where_its_payload_is_known(journal: Journal) -> None:
    await journal.give_up("a", 0, b"all that is needed")
    assert await journal.take_due(NOW) == [Due("a", 0, b"all that is needed")]


async def test_what_is_forgotten_can_begin_again_under_another_number(journal: Journal) -> None:
    await begin(journal)
    await journal.forget("a", 1)
    assert await journal.take_due(DUE) == []
    assert await begin(journal, fingerprint=OTHER) == fresh(2)


@pytest.mark.parametrize("state", ["answered", "abandoned"])
async def test_only_what_is_open_can_be_forgotten(journal: Journal, state: str) -> None:
    await begin(journal)
    await (journal.finish("a", b"yes", 1) if state == "answered" else journal.abandon("a"))
    await journal.forget("a", 1)
    begun = await begin(journal)
    assert begun == (Begun(1, b"yes", False, PAYLOAD, 1) if state == "answered" else Begun(1, None, True, PAYLOAD, 1))


async def test_an_answer_to_what_is_not_there_is_refused(journal: Journal) -> None:
    with pytest.raises(Unavailable):
        await journal.finish("a", b"yes", 1)
    await journal.forget("a", 1)
    await journal.settle("a")


async def test_a_clock_set_back_by_a_month_holds_no_reversal_up(journal: Journal) -> None:
    month = 30 * 86_400.0
    await begin(journal, "begun")
    await begin(journal, "refused once")
    await journal.abandon("refused once")
    await journal.take_due(NOW)
    assert {due.id for due in await journal.take_due(NOW - month)} == {"begun", "refused once"}


async def test_processes_whose_clocks_differ_a_little_do_not_abandon_each_other_s_payments(journal: Journal) -> None:
    await begin(journal, now_s=NOW + CLOCKS_DIFFER_S)
    assert await journal.take_due(NOW) == []


async def test_more_than_a_hundred_are_taken_in_turns(journal: Journal) -> None:
    for number in range(130):
        await journal.give_up(f"{number}", 0, b"payload")
    first, second = await journal.take_due(NOW), await journal.take_due(NOW)
    assert (len(first), len(second)) == (100, 30)
    assert not {due.id for due in first} & {due.id for due in second}


class StandingClock(Clock):
    def wall_s(self) -> float:
        return NOW


async def test_one_reversal_that_hangs_or_cannot_be_sent_holds_no_other_up(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    sent = asyncio.Event()

    async def send(due: Due) -> None:
        if due.id == "hangs":
            await sent.wait()
        if due.id == "a bug":
            raise KeyError("4242")
        if due.id == "refused":
            raise Unavailable("AWAY", "the neighbour is away")
        sent.set()

    ids = ["a bug", "hangs", "refused", "well"]
    for id_ in ids:
        await journal.give_up(id_, 0, b"payload")

    async with ample():
        await Reversals(journal, StandingClock(), send).send_due()

    assert [due.id for due in await journal.take_due(NOW + OFFERED_AGAIN_S)] == ["a bug", "refused"]
    assert "KeyError" in caplog.text and "AWAY" in caplog.text
    assert "4242" not in caplog.text
