"""Rotation of every key: all is found afterwards, nothing fails meanwhile, and whoever is stopped is finished by the
next."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from patience import AMPLE_S
from tsp_provider import keys_of
from vault_process import KEK, Population, Process, pans

from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import InProgress, InvalidField, Unavailable
from cardnet.store import Store
from services.tsp.domain import TokenState
from services.tsp.keyring import KeyState, Purpose
from services.tsp.uses import Admission

PRIMARY, READING, DESTROYED = KeyState.PRIMARY, KeyState.READING, KeyState.DESTROYED
MOVING = [Purpose.DATA, Purpose.HISTORY, Purpose.TOKEN_INDEX, Purpose.PAN_INDEX]
ALL = [purpose for purpose in Purpose if purpose is not Purpose.ENCRYPTION]
OTHER_KEK = bytes(range(1, 33))


@pytest.fixture
async def process(store: EmbeddedStore, admin: Store) -> AsyncIterator[Process]:  # noqa: ARG001 - admin empties it
    async with Process(store) as running:
        yield running


@pytest.mark.parametrize("purpose", ALL)
async def test_after_a_rotation_all_is_as_it_was(process: Process, purpose: Purpose, store: EmbeddedStore) -> None:
    people = await Population.settle(process)
    await process.keys.card_key()
    progress = await process.rotate(purpose)
    last = progress[-1]
    assert last.key.number == 2
    assert last.key.state is PRIMARY
    assert last.done == last.total
    assert [each.done for each in progress] == sorted(each.done for each in progress)
    await people.prove(process)
    async with Process(store) as another:
        await people.prove(another)


async def test_once_nothing_is_under_the_old_key_it_is_destroyed(process: Process) -> None:
    await Population.settle(process)
    for purpose in MOVING:
        await process.rotate(purpose)
    for purpose in (Purpose.DATA, Purpose.TOKEN_INDEX, Purpose.PAN_INDEX):
        assert process.states(purpose) == [DESTROYED, PRIMARY]
    assert process.states(Purpose.HISTORY) == [READING, PRIMARY]
    held = (await process.keys.kept()).decode()
    assert held.count('"wrapped":""') == 4  # three that were destroyed, and the key-encryption key


async def test_no_entry_stays_under_a_name_that_is_gone(process: Process, admin: Store) -> None:
    people = await Population.settle(process)
    for purpose in (Purpose.TOKEN_INDEX, Purpose.PAN_INDEX):
        for _ in range(2):
            await process.rotate(purpose)
    assert len(await keys_of(admin, "tsp:*:index")) == len(people.live) + len(people.deleted)
    assert len(await keys_of(admin, "tsp:*:card")) == len(people.live) // 2 + 1
    await people.prove(process)


@pytest.mark.parametrize("purpose", MOVING)
async def test_whoever_is_stopped_anywhere_is_finished_by_the_next(
    store: EmbeddedStore, process: Process, purpose: Purpose
) -> None:
    people = await Population.settle(process, count=2)
    survives, stopped = 0, True
    while stopped:
        async with Process(store) as dying:
            dying.store.survives, dying.store.acts = survives, True
            try:
                await dying.rotate(purpose)
                stopped = False
            except Unavailable:
                pass
        async with Process(store) as next_one:
            await people.prove(next_one)  # wherever it was stopped, nothing is lost
            if survives % 4 == 0:
                await next_one.rotate(purpose)
                await people.prove(next_one)
                assert not next_one.keys.keyring.in_state(purpose, KeyState.PREPARED)
        survives += 1
    assert survives > 10


async def test_a_rotation_that_was_begun_is_finished_and_not_begun_anew(store: EmbeddedStore, process: Process) -> None:
    await Population.settle(process, count=2)
    async with Process(store) as dying:
        async for _ in dying.office.rotate(Purpose.DATA):
            if dying.states(Purpose.DATA) == [READING, PRIMARY]:
                break
        assert dying.states(Purpose.DATA) == [READING, PRIMARY]
    await process.rotate(Purpose.DATA)
    assert process.states(Purpose.DATA) == [DESTROYED, PRIMARY]


async def test_a_card_whose_number_nobody_knows_keeps_its_old_key_and_its_reference(
    process: Process, store: EmbeddedStore
) -> None:
    people = await Population.settle(process, orphan=True)
    await process.rotate(Purpose.PAN_INDEX)
    assert process.states(Purpose.PAN_INDEX) == [READING, PRIMARY]
    await people.prove(process)
    await process.rotate(Purpose.PAN_INDEX)
    assert process.states(Purpose.PAN_INDEX) == [READING, READING, PRIMARY]
    await people.prove(process)
    assert people.orphan
    again = await process.issue(people.orphan[0])  # the card comes back
    assert again.record.par == people.orphan[1]
    async with Process(store) as another:
        assert (await another.issue(people.orphan[0])).reference == again.reference


@pytest.mark.parametrize(
    ("purpose", "keeps"),
    [
        (Purpose.CRYPTOGRAM, timedelta(seconds=960)),
        (Purpose.HISTORY, timedelta(days=1)),
        (Purpose.CARD, timedelta(days=1)),
        (Purpose.AUDIT, None),
    ],
)
async def test_a_key_for_reading_is_destroyed_when_it_has_outlived_its_use(
    process: Process, purpose: Purpose, keeps: timedelta | None
) -> None:
    await process.rotate(purpose)
    rotation = process.office._rotation
    process.later((keeps or timedelta(days=9999)) - timedelta(seconds=1))
    await rotation.retire()
    assert process.states(purpose) == [READING, PRIMARY]
    process.later(timedelta(seconds=1))
    await rotation.retire()
    assert process.states(purpose) == [DESTROYED if keeps else READING, PRIMARY]


async def test_the_key_encryption_key_is_replaced_in_one_step(process: Process, store: EmbeddedStore) -> None:
    people = await Population.settle(process)
    (last,) = await process.rotate(Purpose.ENCRYPTION, OTHER_KEK)
    assert (last.key.purpose, last.key.number) == (Purpose.ENCRYPTION, 2)
    async with Process(store, kek=KEK) as locked_out:
        assert locked_out.keys.sealed
    async with Process(store, kek=OTHER_KEK) as another:
        await people.prove(another)


async def test_what_begins_before_a_step_ends_before_the_next(process: Process) -> None:
    people = await Population.settle(process, count=1)
    entry = people.live[0]
    with process.keys.using():
        # As one who read the record, and comes to open it only after everybody else has moved on.
        number, sealed = process.keys.seal(b"late", b"")
        rotating = asyncio.create_task(process.rotate(Purpose.DATA))
        done, _ = await asyncio.wait({rotating}, timeout=0.2)
        assert not done
        assert process.keys.unseal(number, sealed, b"") == b"late"
    await asyncio.wait_for(rotating, AMPLE_S)
    assert await process.vault.find(entry.token) == entry


async def test_tokens_are_issued_and_paid_with_throughout_and_none_is_lost(process: Process) -> None:
    people = await Population.settle(process, count=8)
    going, made = True, 0

    async def issue() -> None:
        nonlocal made
        fresh = iter(pans(4_000)[100:])
        while going:
            entry = await process.issue(next(fresh))
            assert await process.vault.find(entry.token) == entry
            # The other one who issues may be given the same card, and so the same token, and have paid first.
            assert await process.pay(entry, "once") in (Admission.ADMITTED, Admission.REPEATED)
            people.live.append(entry)
            made += 1

    async def pay(turn: int) -> None:
        number = 0
        while going:
            entry = people.live[number % len(people.live)]
            number += 1
            found = await process.vault.find(entry.token)
            assert found == entry
            assert await process.pay(found, f"{turn}-{number}") is Admission.ADMITTED

    tasks = [asyncio.create_task(work) for work in (issue(), issue(), pay(1), pay(2))]
    for purpose in ALL:
        await process.rotate(purpose)
        assert not [task for task in tasks if task.done()]
    going = False
    await asyncio.gather(*tasks)
    assert made > 10
    await people.prove(process)


async def test_what_is_changed_between_reading_and_writing_stays_changed(
    process: Process, store: EmbeddedStore
) -> None:
    people = await Population.settle(process, count=1)
    entry, call = people.live[0], process.store.call
    async with Process(store) as other:

        async def call_after_deletion(function: str, *rest: Any) -> Any:
            if function == "tsp_reseal_record" and entry.reference in rest[0][0] and entry in people.live:
                people.live.remove(entry)
                people.deleted.append(await other.delete(entry))
            return await call(function, *rest)

        process.store.call = call_after_deletion  # type: ignore[method-assign]
        await process.rotate(Purpose.DATA)
        assert entry not in people.live
    gone = await process.vault.find(entry.token)
    assert gone is not None
    assert (gone.record.state, gone.pan) == (TokenState.DELETED, None)


async def test_only_one_thing_is_done_with_all_keys_at_a_time(process: Process) -> None:
    rotating = process.office.rotate(Purpose.DATA)
    await anext(rotating)
    with pytest.raises(InProgress):
        await process.rotate(Purpose.CARD)
    await rotating.aclose()  # type: ignore[attr-defined]
    await process.rotate(Purpose.CARD)


async def test_a_key_encryption_key_goes_with_its_purpose_alone(process: Process) -> None:
    for purpose, kek in ((Purpose.ENCRYPTION, b""), (Purpose.DATA, KEK)):
        with pytest.raises(InvalidField, match="KEY_PURPOSE_ENCRYPTION"):
            await process.rotate(purpose, kek)


async def test_a_damaged_record_stops_a_rotation_before_its_key_is_gone(process: Process, admin: Store) -> None:
    people = await Population.settle(process, count=2)
    record = f"tsp:{{{people.live[0].reference}}}:record"
    facts = await admin.command("HGET", record, "facts")
    await admin.command("HSET", record, "facts", facts.replace(b"shop.example", b"evil.example"))
    with pytest.raises(Unavailable) as fault:
        await process.rotate(Purpose.DATA)
    assert fault.value.reason == "VAULT_RECORD_DAMAGED"
    assert READING in process.states(Purpose.DATA)
    await admin.command("HSET", record, "facts", facts)
    await process.rotate(Purpose.DATA)
    await people.prove(process)
    assert process.states(Purpose.DATA) == [DESTROYED, PRIMARY]
