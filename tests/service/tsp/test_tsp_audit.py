"""The audit log: on disk before anybody is answered, chained, shared, and closed when it cannot be written."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from patience import STORE_TIMEOUT_S
from tsp_provider import START

from cardnet.embedded_store import EmbeddedStore
from cardnet.env import FrozenClock
from cardnet.errors import Unavailable
from cardnet.store import Store
from services.tsp import keyring
from services.tsp.audit import AuditLog, Event, ForeignLog, verify_file
from services.tsp.keyring import Purpose, VaultShut, new_secret
from services.tsp.keys import KeySet

KEK = bytes(range(32))
Opening = Callable[[], Awaitable[AuditLog]]


@pytest.fixture
async def keys(store: EmbeddedStore, admin: Store) -> AsyncIterator[KeySet]:  # noqa: ARG001 - admin empties it
    behind = Store(store.url("tsp"), keyring.LIBRARY, owner="tsp", timeout_s=STORE_TIMEOUT_S)
    made = KeySet(behind, FrozenClock(START))
    await made.open(KEK)
    yield made
    await behind.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tsp.audit"


@pytest.fixture
async def opening(keys: KeySet, file: Path) -> AsyncIterator[Opening]:
    """Opens the log as one process more."""
    logs = []

    async def opened() -> AuditLog:
        log = AuditLog(str(file), keys, FrozenClock(START))
        logs.append(log)
        await log.open()
        return log

    yield opened
    for log in logs:
        await log.close()


async def report(keys: KeySet, file: Path) -> tuple[int, str]:
    found = verify_file(file, await keys.kept(), KEK)
    return found.lines, found.problem


def lines_of(file: Path) -> list[bytes]:
    return file.read_bytes().splitlines(keepends=True)


def put(file: Path, lines: list[bytes]) -> None:
    file.write_bytes(b"".join(lines))


def mode_of(file: Path) -> int:
    return file.stat().st_mode & 0o777


def event(number: int, version: int = 0) -> Event:
    return Event.of("detokenise", f"{number:032x}", version, "00")


async def test_what_was_written_is_on_disk_and_in_order(opening: Opening, keys: KeySet, file: Path) -> None:
    log = await opening()
    for number in range(3):
        await log.write(event(number))
        assert len(lines_of(file)) == number + 1
    lines = [json.loads(line) for line in lines_of(file)]
    assert [line["seq"] for line in lines] == [1, 2, 3]
    assert lines[0]["vault"] == keys.keyring.vault
    assert (lines[2]["op"], lines[2]["ref"], lines[2]["result"]) == ("detokenise", f"{2:032x}", "00")
    assert lines[2]["at"] == "2026-11-22T23:50:00.000Z"
    assert mode_of(file) == 0o600
    assert await report(keys, file) == (3, "")


async def test_many_at_once_are_all_there_once(opening: Opening, keys: KeySet, file: Path) -> None:
    one, other = await opening(), await opening()
    await asyncio.gather(*((one, other)[number % 2].write(event(number)) for number in range(500)))
    refs = sorted(json.loads(line)["ref"] for line in lines_of(file))
    assert refs == [f"{number:032x}" for number in range(500)]
    assert await report(keys, file) == (500, "")


async def test_it_knows_every_tokens_last_version_after_a_restart_and_from_others(opening: Opening) -> None:
    one, other = await opening(), await opening()
    await one.write(event(1, version=2))
    await one.write(event(1, version=4))
    await one.write(event(1, version=3))
    await one.write(event(2, version=1))
    assert [one.last_version(f"{number:032x}") for number in range(3)] == [0, 4, 0]
    assert other.last_version(f"{1:032x}") == 0
    await other.write(event(3, version=7))
    assert other.last_version(f"{1:032x}") == 4
    again = await opening()
    assert [again.last_version(f"{number:032x}") for number in range(4)] == [0, 4, 0, 7]
    await again.write(Event.of("restored", "vault", 9, "00"))
    assert [again.last_version(name) for name in (f"{1:032x}", f"{3:032x}", "vault")] == [0, 0, 9]


def flip(text: bytes) -> bytes:
    return text.replace(b'"result":"00"', b'"result":"99"', 1)


@pytest.mark.parametrize("number", range(1, 6))
@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda lines, at: lines[:at] + [flip(lines[at])] + lines[at + 1 :], id="altered"),
        pytest.param(lambda lines, at: lines[:at] + lines[at + 1 :], id="removed"),
        pytest.param(lambda lines, at: lines[: at + 1] + lines[at:], id="doubled"),
        pytest.param(lambda lines, at: lines[:at] + [b"{}\n"] + lines[at:], id="inserted"),
        pytest.param(lambda lines, at: lines[:at] + [b"\xff\n"] + lines[at + 1 :], id="garbage"),
        pytest.param(lambda lines, at: [*lines[: at - 1], lines[at], lines[at - 1], *lines[at + 1 :]], id="swapped"),
    ],
)
async def test_whatever_is_done_to_a_line_shuts_the_vault(
    opening: Opening, keys: KeySet, file: Path, number: int, edit: Callable[[list[bytes], int], list[bytes]]
) -> None:
    log = await opening()
    for each in range(7):
        await log.write(event(each))
    put(file, edit(lines_of(file), number))
    with pytest.raises(VaultShut, match=r"line [1-7] of the audit log .*cardnet audit verify"):
        await opening()
    found, problem = await report(keys, file)
    assert number - 1 <= found <= number + 1
    assert problem


async def test_a_log_that_is_cut_while_it_is_open_is_not_written_on(opening: Opening, file: Path) -> None:
    log = await opening()
    await log.write(event(1))
    await log.write(event(2))
    put(file, lines_of(file)[:1])
    with pytest.raises(Unavailable, match="cut") as fault:
        await log.write(event(3))
    assert fault.value.reason == "AUDIT_UNAVAILABLE"


@pytest.mark.parametrize("act", [lambda file: file.unlink(), lambda file: file.rename(file.with_name("old"))])
async def test_a_log_that_is_taken_away_is_not_written_on(
    opening: Opening, file: Path, act: Callable[[Path], object]
) -> None:
    log = await opening()
    await log.write(event(1))
    act(file)
    with pytest.raises(Unavailable) as fault:
        await log.write(event(2))
    assert fault.value.reason == "AUDIT_UNAVAILABLE"


@pytest.mark.parametrize("kept", [1, 30, -1])
async def test_a_line_that_a_crash_tore_is_cut_off_and_told(
    opening: Opening, keys: KeySet, file: Path, kept: int, caplog: pytest.LogCaptureFixture
) -> None:
    log = await opening()
    for number in range(3):
        await log.write(event(number))
    *whole, last = lines_of(file)
    put(file, [*whole, last[:kept]])
    assert await report(keys, file) == (2, "line 3 of the audit log is torn, as by a crash; the next start cuts it off")
    again = await opening()
    assert "torn" in caplog.text
    await again.write(event(9))
    assert await report(keys, file) == (3, "")


async def test_another_process_cuts_off_what_a_dead_one_left(opening: Opening, keys: KeySet, file: Path) -> None:
    log = await opening()
    await log.write(event(1))
    with file.open("ab") as torn:
        torn.write(b'{"half":')
    await log.write(event(2))
    assert await report(keys, file) == (2, "")


async def test_another_vaults_log_is_refused(opening: Opening, file: Path, admin: Store, keys: KeySet) -> None:
    log = await opening()
    await log.write(event(1))
    await admin.command("FLUSHALL")
    keys.lock()
    await keys.open(KEK)
    with pytest.raises(ForeignLog, match="move it away"):
        await opening()
    assert len(lines_of(file)) == 1


async def test_a_folder_that_is_not_there_shuts_the_vault(keys: KeySet, tmp_path: Path) -> None:
    with pytest.raises(VaultShut, match="see to its folder"):
        await AuditLog(str(tmp_path / "no" / "tsp.audit"), keys, FrozenClock(START)).open()


async def test_lines_under_an_older_key_are_still_verified(opening: Opening, keys: KeySet, file: Path) -> None:
    log = await opening()
    await log.write(event(1))
    await keys.change(lambda ring: ring.with_prepared(Purpose.AUDIT, new_secret(Purpose.AUDIT), START))
    await keys.change(lambda ring: ring.with_promoted(Purpose.AUDIT, START))
    await log.write(event(2))
    assert [json.loads(line)["key"] for line in lines_of(file)] == [1, 2]
    assert await report(keys, file) == (2, "")
    await (await opening()).write(event(3))


async def test_while_the_vault_is_sealed_nothing_is_written(opening: Opening, keys: KeySet, file: Path) -> None:
    log = await opening()
    keys.lock()
    with pytest.raises(Unavailable, match="sealed"):
        await log.write(event(1))
    await keys.open(KEK)
    await log.write(event(2))
    assert await report(keys, file) == (1, "")


async def test_a_log_without_a_place_ends_with_its_run(keys: KeySet) -> None:
    log = AuditLog("", keys, FrozenClock(START))
    assert not log.begun()
    await log.open()
    await log.write(event(1, version=2))
    assert log.last_version(f"{1:032x}") == 2
    await log.close()
    with pytest.raises(Unavailable, match="not open"):
        await log.write(event(2))


async def test_a_log_that_is_verified_is_left_alone(keys: KeySet, file: Path) -> None:
    with pytest.raises(FileNotFoundError):  # and it is not made
        verify_file(file, await keys.kept(), KEK)


FULL = """
import asyncio, resource, sys
from pathlib import Path
from services.tsp.audit import AuditLog, Event
from services.tsp.keyed import KeyedHash
from cardnet.env import Clock
from cardnet.errors import Unavailable

class Keys:
    class keyring: vault = "v"
    def audit_mac(self, data, number): return 1, KeyedHash(b"k").digest(data)

async def main(file):
    log, written = AuditLog(str(file), Keys(), Clock()), 0
    await log.open()
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    refused = 0
    for number in range(60):
        try:
            await asyncio.gather(*(log.write(Event.of("op", str(number))) for _ in range(3)))
            written += 3
        except Unavailable as fault:
            assert fault.reason == "AUDIT_UNAVAILABLE"
            refused += 1
            assert len(file.read_bytes().splitlines()) == written  # nothing of what was refused
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert refused > 10 and written > 3, (refused, written)
    await log.write(Event.of("op", "room again"))
    await log.close()
    again = AuditLog(str(file), Keys(), Clock())
    await again.open()
    await again.close()
    assert len(file.read_bytes().splitlines()) >= written + 1
    print("recovered")

asyncio.run(main(Path(sys.argv[1])))
"""


def test_a_full_disk_closes_it_and_room_opens_it_again(file: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, str(file)], capture_output=True, text=True, timeout=60)
    assert done.stdout == "recovered\n", done.stderr
