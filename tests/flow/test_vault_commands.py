"""The commands on keys, vault and audit log, against processes that pay meanwhile and come back afterwards."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio
from patience import patient
from up import COMMAND, ROOT

from cardnet.cli.keys import PURPOSES
from cardnet.testing import LocalNetwork
from cardnet.testing.payment import Payment

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Ended(NamedTuple):
    """How a command ended."""

    code: int | None
    out: str
    err: str


async def cardnet(network: LocalNetwork, command: str) -> Ended:
    port = network.addresses["merchant"].rpartition(":")[2]
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, *command.split(), "--network", port),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return Ended(process.returncode, out.decode(), err.decode())


def running(data_dir: Path) -> LocalNetwork:
    return LocalNetwork(in_process=True, fronts=True, roster=True, data_dir=data_dir, settings=patient())


async def paid(network: LocalNetwork) -> Payment:
    return await network.checkout(await network.save_card("approved"), "1.00 USD")


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def session(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("session")))
        yield


@pytest_asyncio.fixture(loop_scope="module")
async def network(tmp_path: Path) -> AsyncIterator[LocalNetwork]:
    async with running(tmp_path / "data") as network:
        yield network


async def test_every_key_is_rotated_and_the_network_opens_again_afterwards(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with running(data) as network:
        assert (await paid(network)).approved
        before = (data / "tsp.kek").read_text()
        for purpose in PURPOSES:
            rotated = await cardnet(network, f"keys rotate {purpose} --json")
            assert rotated.code == 0, rotated.err
            known = json.loads(rotated.out)
            assert (known["purpose"], known["number"], known["state"]) == (purpose, 2, "primary")
        assert (await paid(network)).approved
        listed = json.loads((await cardnet(network, "keys list --json")).out)
        assert {key["purpose"] for key in listed if (key["number"], key["state"]) == (2, "primary")} == set(PURPOSES)
        verified = await cardnet(network, "audit verify")
        assert verified.code == 0, verified.err
    assert (data / "tsp.kek").read_text() != before
    assert (data / "tsp.kek").stat().st_mode & 0o777 == 0o600
    assert not (data / "tsp.kek.new").exists()
    async with running(data) as again:
        assert (await paid(again)).approved


async def test_a_key_encryption_key_of_ones_own_is_taken(network: LocalNetwork, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    rotated = await cardnet(network, f"keys rotate encryption --kek-file {mine}")
    assert rotated.code == 0, rotated.err
    assert mine.stat().st_mode & 0o777 == 0o600
    assert mine.read_text() == (tmp_path / "data" / "tsp.kek").read_text()
    assert mine.read_text().strip() not in rotated.out + rotated.err


async def test_a_copy_of_the_vault_goes_back_into_an_empty_one_alone(network: LocalNetwork, tmp_path: Path) -> None:
    first, copy = await paid(network), tmp_path / "copy"
    backed_up = await cardnet(network, f"vault backup {copy} --json")
    assert backed_up.code == 0, backed_up.err
    assert json.loads(backed_up.out)["keys"] > 0
    assert copy.stat().st_mode & 0o777 == 0o600
    tokens = (await cardnet(network, "tokens list --json")).out

    refused = await cardnet(network, f"vault restore {copy}")
    assert refused.code == 1
    assert refused.err.startswith("cardnet: error: 94 duplicate transmission: the vault is not empty")

    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    (other / "tsp.kek").write_text((tmp_path / "data" / "tsp.kek").read_text())
    (other / "tsp.kek").chmod(0o600)
    async with running(other) as empty:
        restored = await cardnet(empty, f"vault restore {copy}")
        assert restored.code == 0, restored.err
        assert (await cardnet(empty, "tokens list --json")).out == tokens
        again = await paid(empty)
        assert (again.approved, again.pan_last_four) == (True, first.pan_last_four)


async def test_a_copy_is_written_whole_or_not_at_all(network: LocalNetwork, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    await paid(network)
    assert (await cardnet(network, f"vault backup {copy}")).code == 0
    whole = copy.read_bytes()
    assert (await cardnet(network, f"vault backup {copy}")).code == 2  # not without --force
    assert (await cardnet(network, f"vault backup {copy} --force")).code == 0

    for damage in (whole[:-1], whole[: len(whole) // 2], whole[:40]):
        copy.write_bytes(damage)
        torn = await cardnet(network, f"vault restore {copy}")
        assert torn.code == 2
        assert torn.err == "cardnet: error: FILE: must be whole; its end is missing\n"


async def test_an_audit_log_that_was_edited_is_found_out(network: LocalNetwork, tmp_path: Path) -> None:
    for _ in range(3):
        await paid(network)
    log = tmp_path / "data" / "tsp.audit"
    good = await cardnet(network, "audit verify --json")
    assert good.code == 0, good.err
    events = log.read_bytes().splitlines(keepends=True)
    assert json.loads(good.out)["in_order"] == len(events)

    shown = json.loads((await cardnet(network, "audit show --last 2 --json")).out)
    assert [event["seq"] for event in shown] == [len(events) - 1, len(events)]

    log.write_bytes(b"".join(events[:-1]) + events[-1].replace(b'"network"', b'"newtork"'))
    bad = await cardnet(network, "audit verify")
    assert (bad.code, bad.out) == (1, "")
    assert f"line {len(events)} of the audit log" in bad.err
    log.write_bytes(b"".join(events))


async def test_an_audit_log_is_not_verified_by_a_key_of_another_vault(network: LocalNetwork, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("ab" * 32)
    unknown = await cardnet(network, f"audit verify --kek-file {tmp_path}/other")
    assert (unknown.code, unknown.out) == (2, "")
    assert unknown.err.startswith("cardnet: error: the log cannot be verified: ")


async def test_a_requestor_is_told_of_its_tokens_as_they_change(network: LocalNetwork) -> None:
    card = await network.save_card("approved")
    [token] = json.loads((await cardnet(network, "tokens list --json")).out)
    for change in ("suspend", "resume"):
        assert (await cardnet(network, f"tokens {change} {token['token_reference_id']} --cause fraud")).code == 0

    followed = await cardnet(network, "tokens follow 00000000001 --count 2 --json")
    told = [json.loads(line) for line in followed.out.splitlines()]
    assert [(each["position"], each["token"]["state"], each["party"], each["cause"]) for each in told] == [
        (1, "suspended", "tsp", "fraud"),
        (2, "active", "tsp", "fraud"),
    ]
    later = await cardnet(network, "tokens follow 00000000001 --after 1 --count 1")
    assert later.out.startswith(f"   2  {told[1]['changed_at']}  {token['token_reference_id'][:8]}  active")
    assert later.out.endswith(f"card ••••{card.pan_last_four}\n")


async def test_a_vault_without_its_key_is_sealed_until_it_is_opened(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with running(data) as network:
        assert (await paid(network)).approved
    (data / "tsp.kek").rename(tmp_path / "kept")
    settings = patient({"tsp": {"kek_file": ""}})
    sealed = LocalNetwork(in_process=True, fronts=True, roster=True, data_dir=data, settings=settings)
    async with sealed as network:
        refused = await cardnet(network, "tokens list")
        assert refused.code == 2
        (tmp_path / "wrong").write_text("ab" * 32)
        wrong = await cardnet(network, f"keys unseal --kek-file {tmp_path}/wrong")
        assert (wrong.code, "63 security violation" in wrong.err) == (1, True)
        opened = await cardnet(network, f"keys unseal --kek-file {tmp_path}/kept")
        assert (opened.code, opened.out) == (0, "the vault is open\n"), opened.err
        assert (await paid(network)).approved
