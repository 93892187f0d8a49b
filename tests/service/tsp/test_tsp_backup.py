"""Backup and restoration, as they are rehearsed: all comes back, or nothing does."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tsp_provider import PAN, Provider, keys_of, use
from vault_process import KEK, Population, Process

from cardnet.cde.v1 import token_operator_pb2 as pb
from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import InProgress, Unavailable
from cardnet.rules import MOST_SEALED_BYTES
from cardnet.store import Store
from services.tsp.audit import verify_file
from services.tsp.keyring import PLACE, Purpose

OTHER_KEK = bytes(range(1, 33))
RESTORING = "tsp:{keyring}:restoring"


@pytest.fixture
async def process(store: EmbeddedStore, admin: Store) -> AsyncIterator[Process]:  # noqa: ARG001 - admin empties it
    async with Process(store) as running:
        yield running


async def restored(process: Process, chunks: list[bytes]) -> str:
    for chunk in chunks:
        if (code := await process.office.restore(chunk)) != "00":
            return code
    return await process.office.restore(b"")


async def contents(admin: Store) -> dict[bytes, object]:
    read = {
        b"string": ("GET",),
        b"hash": ("HGETALL",),
        b"set": ("SMEMBERS",),
        b"list": ("LRANGE",),
        b"zset": ("ZRANGE",),
    }
    found: dict[bytes, object] = {}
    for key in await keys_of(admin, "tsp:*"):
        if not key.endswith((b":instances", b":restoring", b":busy")):
            (command,) = read[await admin.command("TYPE", key)]
            value = await admin.command(command, key, *((0, -1) if command in ("LRANGE", "ZRANGE") else ()))
            found[key] = sorted(value) if command == "SMEMBERS" else value
    return found


async def test_the_drill(store: EmbeddedStore, process: Process, admin: Store) -> None:
    people = await Population.settle(process, orphan=True)
    chunks = await process.back_up()
    before = await contents(admin)
    await admin.command("FLUSHALL")
    async with Process(store) as empty:
        assert await restored(empty, chunks) == "00"
        await people.prove(empty)
        await empty.rotate(Purpose.DATA)
        await people.prove(empty)
    await admin.command("FLUSHALL")
    async with Process(store) as empty:
        assert await restored(empty, chunks) == "00"
        assert await contents(admin) == before


async def test_every_type_and_size_comes_back_as_it_was(store: EmbeddedStore, process: Process, admin: Store) -> None:
    await admin.command("SET", "tsp:a", b"\0\xff\n")
    await admin.command("HSET", "tsp:{b}", *(part for number in range(999) for part in (f"f{number}", b"x" * 50)))
    await admin.command("SADD", "tsp:c", *(f"m{number}" for number in range(300)))
    await admin.command("RPUSH", "tsp:d", *(f"{number % 7}" for number in range(300)))
    await admin.command("ZADD", "tsp:e", "1.5", "one", "-2", "two", "1e100", "three")
    await admin.command("SET", "tsp:f", b"large" * 20_000)
    await admin.command("SET", "issuer:a", "not ours")
    before = await contents(admin)
    chunks = await process.back_up()
    assert max(map(len, chunks)) <= MOST_SEALED_BYTES
    assert len(chunks) > 10
    await admin.command("FLUSHALL")
    async with Process(store) as empty:
        assert await restored(empty, chunks) == "00"
    assert await contents(admin) == before
    assert await keys_of(admin, "issuer:*") == []


async def test_a_vault_that_holds_something_is_not_overwritten(process: Process, admin: Store) -> None:
    chunks = await process.back_up()
    await Population.settle(process, count=1)
    before = await contents(admin)
    assert await restored(process, chunks) == "94"
    assert await contents(admin) == before


@pytest.mark.parametrize("fault", ["altered", "cut", "swapped", "longer", "none", "other"])
async def test_what_is_not_as_it_was_backed_up_changes_nothing(
    store: EmbeddedStore, process: Process, admin: Store, fault: str
) -> None:
    await Population.settle(process, count=12)
    chunks = await process.back_up()
    assert len(chunks) > 2
    middle = bytearray(chunks[1])
    middle[100] ^= 1
    wrong = {
        "altered": [chunks[0], bytes(middle), *chunks[2:]],
        "cut": chunks[:-1],
        "swapped": [chunks[0], chunks[2], chunks[1], *chunks[3:]],
        "longer": [*chunks, b"\0"],
        "none": [],
        "other": chunks,
    }[fault]
    await admin.command("FLUSHALL")
    async with Process(store, kek=OTHER_KEK if fault == "other" else KEK) as empty:
        before = await contents(admin)
        assert await restored(empty, wrong) == "63"
        assert await contents(admin) == before
        assert not empty.keys.sealed
        if fault != "other":
            assert await restored(empty, chunks) == "00"  # the right one may follow


async def test_a_backup_that_begins_anew_takes_the_place_of_one_that_was_given_up(
    store: EmbeddedStore, process: Process, admin: Store
) -> None:
    people = await Population.settle(process, count=12)
    chunks = await process.back_up()
    await admin.command("FLUSHALL")
    async with Process(store) as empty:
        assert await empty.office.restore(chunks[0]) == "00"
        assert await restored(empty, chunks) == "00"
        await people.prove(empty)


@pytest.mark.parametrize("acts", [False, True])
async def test_a_restoration_that_is_cut_short_serves_nothing_and_can_be_repeated(
    store: EmbeddedStore, process: Process, admin: Store, acts: bool
) -> None:
    people = await Population.settle(process, count=1)
    chunks, whole = await process.back_up(), await contents(admin)
    stopped, survives = True, 0
    while stopped:
        await admin.command("FLUSHALL")
        async with Process(store) as dying:
            untouched = await contents(admin)
            for chunk in chunks:
                assert await dying.office.restore(chunk) == "00"
            dying.store.survives, dying.store.acts = survives, acts
            try:
                await dying.office.restore(b"")
                stopped = False
            except Unavailable:
                pass
        half = await admin.command("EXISTS", RESTORING)
        assert half or await contents(admin) in (untouched, whole)
        async with Process(store) as next_one:
            assert next_one.keys.sealed == bool(half)
            if half:
                with pytest.raises(Unavailable, match="cut short"):
                    await next_one.office.unseal(KEK)
                assert await restored(next_one, chunks) == "00"
            if half or not stopped:
                await people.prove(next_one)
        survives += 3
    assert survives > 30


async def test_nothing_is_copied_while_keys_are_rotated(process: Process) -> None:
    rotating = process.office.rotate(Purpose.DATA)
    await anext(rotating)
    with pytest.raises(InProgress):
        await process.back_up()
    await rotating.aclose()  # type: ignore[attr-defined]


async def test_a_lost_store_is_not_taken_for_a_new_vault(store: EmbeddedStore, admin: Store, tmp_path: Path) -> None:
    file = tmp_path / "tsp.audit"
    async with Process(store, str(file)) as process:
        people = await Population.settle(process, count=2)
        chunks = await process.back_up()
        old = people.live[0]
        await process.delete(old)
        # The log says that this token is at version 2; a backup has it at version 1.
        assert process.audit.last_version(old.reference) == 2
    await admin.command("FLUSHALL")
    async with Process(store, str(file)) as empty:
        assert empty.keys.sealed
        assert not await admin.command("EXISTS", PLACE)
        with pytest.raises(Unavailable, match="restore a backup") as fault:
            await empty.office.unseal(KEK)
        assert fault.value.reason == "VAULT_STAYS_SEALED"
        assert await restored(empty, chunks) == "00"
        await people.prove(empty)
        held = await empty.keys.kept()
    assert json.loads(file.read_bytes().splitlines()[-1])["op"] == "restored"
    assert verify_file(file, held, KEK).problem == ""
    assert verify_file(file, file.with_name("tsp.audit.keyring").read_bytes(), KEK).problem == ""
    async with Process(store, str(file)) as again:
        await people.prove(again)


async def test_the_log_of_an_empty_vault_is_set_aside_for_the_restored_ones(
    store: EmbeddedStore, admin: Store, tmp_path: Path
) -> None:
    async with Process(store, str(tmp_path / "one")) as process:
        people = await Population.settle(process, count=1)
        chunks = await process.back_up()
    await admin.command("FLUSHALL")
    async with Process(store, str(tmp_path / "two")) as fresh:
        await fresh.rotate(Purpose.CARD)
        assert await restored(fresh, chunks) == "00"
        await people.prove(fresh)
    assert len((tmp_path / "two").read_bytes().splitlines()) == 1
    assert len((tmp_path / "two.1").read_bytes().splitlines()) == 1


async def test_backup_and_restoration_through_the_operators_calls(store: EmbeddedStore, admin: Store) -> None:
    before = Provider(store)
    await before.service.start()
    token = await before.request_token()
    rows = [chunk async for chunk in before.operator.BackUpVault(pb.BackUpVaultRequest())]
    assert sum(chunk.count for chunk in rows) == len(await contents(admin))
    await before.service.stop()
    await admin.command("FLUSHALL")
    after = Provider(store)
    await after.service.start()
    for chunk in (*(chunk.rows for chunk in rows), b""):
        assert (await after.operator.RestoreVault(pb.RestoreVaultRequest(rows=chunk))).response_code == "00"
    assert (await after.vault.Detokenise(use(token))).pan == PAN
    assert (await after.request_token()).payment_token == token.payment_token
    await after.service.stop()
