"""Two processes over one vault: keys rotated, wrapped anew or put back by one of them while the other serves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from leap import leap
from patience import ample
from vault_process import KEK, Population, Process, pans

from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import InProgress, Unavailable
from cardnet.store import Store
from services.tsp import instances as presence
from services.tsp.kek import KekFile
from services.tsp.keyring import Purpose, VaultShut
from services.tsp.requestors import REQUESTORS, Requestors
from services.tsp.turns import ALL_KEYS, Turns
from services.tsp.uses import Admission

OTHER_KEK = bytes(range(1, 33))
LEAP_S = 0.2
"""A hundred of them are more than a machine stands still, and one is far less than a store may take."""
TURN_S = 0.002
"""A real pause, in which the others do what they do."""


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who says nothing is taken for gone after so many looks, for time passes between two of them, and else hardly."""
    for name, seconds in {"GONE_S": 100 * LEAP_S, "TRUST_S": 50 * LEAP_S}.items():
        monkeypatch.setattr(presence, name, seconds)

    async def later() -> None:
        leap(LEAP_S)
        await asyncio.sleep(TURN_S)

    monkeypatch.setattr(presence, "_look_again", later)


@pytest.fixture
async def pair(
    soon: None, store: EmbeddedStore, admin: Store, tmp_path: Path
) -> AsyncIterator[tuple[Process, Process]]:  # noqa: ARG001 - both prepare the ground
    """Two that share store, audit log and the key-encryption key's file, each tending its keys."""
    file = tmp_path / "kek"
    KekFile(file).prepare(KEK)
    KekFile(file).settle(KEK)
    one, other = (Process(store, str(tmp_path / "tsp.audit"), provider=KekFile(file)) for _ in range(2))
    async with one, other:
        await one.office.look_after()
        await other.office.look_after()
        yield one, other


async def tended(process: Process, until: asyncio.Event) -> None:
    """What runs beside a service, without the second between two looks."""
    while not until.is_set():
        with suppress(Unavailable, VaultShut):
            await process.office.look_after()
        await asyncio.sleep(TURN_S)


async def all_along(process: Process, doing: Any) -> Any:
    """Do something while the other process tends its keys."""
    over = asyncio.Event()
    tending = asyncio.create_task(tended(process, over))
    try:
        return await doing
    finally:
        over.set()
        await tending


async def test_the_other_goes_on_without_a_pause_when_the_key_encryption_key_is_rotated(
    pair: tuple[Process, Process],
) -> None:
    one, other = pair
    entry = await one.issue(pans(1)[0])
    over, paid = asyncio.Event(), 0
    tending = asyncio.create_task(tended(other, over))

    async def shop() -> None:
        nonlocal paid
        while not over.is_set():
            assert not other.keys.sealed
            assert await other.pay(entry, f"transaction-{paid}") is Admission.ADMITTED
            paid += 1

    shopping = asyncio.create_task(shop())
    for number in range(1, 6):
        await one.rotate(Purpose.ENCRYPTION, bytes([number]) * 32)
        while other.keys.keyring.revision < one.keys.keyring.revision:  # noqa: ASYNC110 - it looks by itself
            await asyncio.sleep(0.001)
    over.set()
    await asyncio.gather(shopping, tending)
    assert paid > 0
    assert other.keys.keyring == one.keys.keyring


async def test_one_that_has_no_way_to_the_new_key_is_sealed_until_it_is_brought(
    store: EmbeddedStore, pair: tuple[Process, Process]
) -> None:
    one, _ = pair
    async with Process(store) as told_by_hand:
        await told_by_hand.office.look_after()
        await one.rotate(Purpose.ENCRYPTION, OTHER_KEK)
        await told_by_hand.office.look_after()
        assert told_by_hand.keys.sealed
        assert await told_by_hand.office.unseal(KEK) == "63"
        assert await told_by_hand.office.unseal(OTHER_KEK) == "00"


async def test_whichever_is_asked_for_the_keys_tells_of_the_others_too(pair: tuple[Process, Process]) -> None:
    one, other = pair
    for purpose, kek in ((Purpose.ENCRYPTION, OTHER_KEK), (Purpose.DATA, b"")):
        await one.rotate(purpose, kek)
        assert await other.office.keys() == await one.office.keys()


@pytest.mark.parametrize("purpose", [Purpose.DATA, Purpose.TOKEN_INDEX, Purpose.PAN_INDEX, Purpose.HISTORY])
async def test_one_that_stood_still_during_a_rotation_looks_before_it_uses_a_key(
    pair: tuple[Process, Process], purpose: Purpose
) -> None:
    one, asleep = pair
    people = await Population.settle(one)
    await one.rotate(purpose)  # the other is taken for gone
    leap(presence.TRUST_S)
    late = await asleep.issue(pans(20)[-1])
    assert await asleep.pay(late, "late") is Admission.ADMITTED
    people.live.append(late)
    people.paid.append((late, "late"))
    people.paid.sort(key=lambda paid: paid[1] == "before-the-end")  # `prove` leaves the last one out
    await people.prove(one)
    await people.prove(asleep)


async def test_only_one_of_all_processes_does_something_with_all_keys(pair: tuple[Process, Process]) -> None:
    one, other = pair
    rotating = one.office.rotate(Purpose.DATA)
    await anext(rotating)
    with pytest.raises(InProgress):
        await all_along(one, anext(other.office.rotate(Purpose.DATA)))
    with pytest.raises(InProgress):
        await all_along(one, other.back_up())
    await all_along(other, drained(rotating))
    assert await all_along(one, other.rotate(Purpose.DATA))


async def drained(progress: Any) -> None:
    async for _ in progress:
        pass


async def test_one_that_died_in_the_midst_holds_nobody_up_for_long(pair: tuple[Process, Process]) -> None:
    one, other = pair
    people = await Population.settle(one)
    rotating = one.office.rotate(Purpose.DATA)
    await anext(rotating)
    one.store.survives = 0  # and so it does not end its turn either
    await rotating.aclose()
    async with ample():
        await other.rotate(Purpose.DATA)
    await people.prove(other)


async def test_a_key_that_another_rotation_put_aside_is_not_destroyed_with_the_old_one(
    pair: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Behind the office, which would not let both: the one is about to destroy the first key when the other puts a third
    # in the second's place.
    one, other = pair
    people = await Population.settle(one)
    ours, theirs = one.office._rotation, other.office._rotation
    moved, promoted, finished = asyncio.Event(), asyncio.Event(), asyncio.Event()
    spread, prepare, leave = ours._instances.spread, theirs._prepare, theirs._holdings.leave
    spreads = count(1)

    async def spread_in_between() -> None:
        if next(spreads) == 3:  # all is moved, and the first key about to be destroyed
            moved.set()
            await promoted.wait()
        await spread()

    async def prepare_late(purpose: Purpose) -> None:
        await moved.wait()
        await prepare(purpose)

    async def leave_late(purpose: Purpose) -> AsyncIterator[int]:
        promoted.set()
        await finished.wait()
        async for number in leave(purpose):
            yield number

    monkeypatch.setattr(ours._instances, "spread", spread_in_between)
    monkeypatch.setattr(theirs, "_prepare", prepare_late)
    monkeypatch.setattr(theirs._holdings, "leave", leave_late)
    over = asyncio.Event()
    tending = [asyncio.create_task(tended(process, over)) for process in pair]
    second = asyncio.create_task(drained(theirs.rotate(Purpose.DATA)))
    async with ample():
        await drained(ours.rotate(Purpose.DATA))
        finished.set()
        await second
    over.set()
    await asyncio.gather(*tending)
    assert promoted.is_set()
    await people.prove(one)
    await people.prove(other)


async def test_the_others_make_way_for_a_restoration_and_then_serve_what_was_put_back(
    pair: tuple[Process, Process], admin: Store, tmp_path: Path
) -> None:
    one, other = pair
    people = await Population.settle(one)
    chunks = await one.back_up()
    fresh = [await other.issue(pan) for pan in pans(30)[20:]]
    assert await other.vault.find(fresh[0].token)  # and knows its reference from now on
    registry = Requestors(other.store, other.keys)
    late = await registry.register(
        replace(REQUESTORS[0], domain=replace(REQUESTORS[0].domain, merchant_domain="x.example"))
    )
    assert await registry.find(late.token_requestor_id) == late

    # The store is lost: both begin a new vault, with tokens of its own; it is emptied and the backup put back.
    await admin.command("FLUSHALL")
    for process in pair:
        process.keys.lock()
    (tmp_path / "tsp.audit").unlink()  # it knows of the vault that is lost
    await one.office.look_after()
    await other.office.look_after()
    assert one.keys.keyring.vault == other.keys.keyring.vault
    assert await other.vault.find(people.live[0].token) is None
    for chunk in chunks:
        assert await one.office.restore(chunk) == "00"
    assert await all_along(other, one.office.restore(b"")) == "00"
    await other.office.look_after()
    assert not other.keys.sealed
    await people.prove(one)
    await people.prove(other)
    assert await other.vault.reference_of(fresh[0].token) == ""
    assert await registry.find(late.token_requestor_id) is None
    taken = await other.issue(pans(40)[-1])
    assert await one.vault.find(taken.token) == taken


async def test_one_that_is_gone_is_found_out_at_once_where_somebody_waits(pair: tuple[Process, Process]) -> None:
    one, other = pair
    turns = Turns(one.store, one.office.turns._present)
    assert await other.office.turns.take(ALL_KEYS)
    assert not await turns.take(ALL_KEYS)
    assert not await all_along(other, turns.take(ALL_KEYS, patiently=True))  # it speaks
    assert await turns.take(ALL_KEYS, patiently=True)
    assert not await other.office.turns.ours(ALL_KEYS)
