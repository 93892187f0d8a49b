"""Certificates are replaced while all services run, and nobody who pays notices."""

import asyncio
import shutil
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509
from doorway import DOORS, credentials, knock
from mint import EVERYBODY, Folder, Mint, serial_in
from patience import ample, patient
from payer import LOOK_S, brisk, paying, shown_at

from cardnet.authority import Registry
from cardnet.env import Clock
from cardnet.steps import SERVICES
from cardnet.testing import LocalNetwork

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEEN_S = 30 * LOOK_S
"""Longer than a busy machine stands still."""


@pytest.fixture(scope="module")
def ours() -> Mint:
    return Mint.authority()


@pytest.fixture(scope="module")
def folder(ours, tmp_path_factory) -> Path:
    return ours.everybody(tmp_path_factory.mktemp("identities"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(folder):
    async with LocalNetwork(identities=folder, settings=brisk()) as network:
        yield network


@pytest.fixture(scope="module")
def watcher(ours, tmp_path_factory) -> Path:
    """Somebody of whom no door thinks ill, and who is not replaced."""
    return ours.leaf("cardholder").put(tmp_path_factory.mktemp("watcher"))


async def shown(network: LocalNetwork, watcher: Path) -> dict[str, int]:
    """What the services and the collector show: the serial numbers, at the last of the doors that they have."""
    looks = (shown_at(at.address(network), watcher) for at in DOORS)
    return dict(zip((at.service for at in DOORS), await asyncio.gather(*looks), strict=True))


def serials(folder: Path) -> dict[str, int]:
    return {at.service: serial_in(folder / at.service) for at in DOORS}


async def test_new_authorities_and_certificates_come_in_and_no_payment_fails(network, folder, watcher):
    before = {name: serial_in(folder / name) for name in EVERYBODY}
    registry = Registry(folder, Clock(), EVERYBODY, seen_by_all_s=SEEN_S)
    async with paying(network, folder) as payer:
        for _ in range(3):
            await registry.replace()
            await payer.pays_on()
            assert await shown(network, watcher) == serials(folder)
    assert all(serial_in(folder / name) != serial for name, serial in before.items())


def _key_first(new: Folder, place: Path) -> list[tuple[Path, bytes]]:
    return [(place / "tls.key", new.key), (place / "tls.crt", new.certificate)]


def _certificate_first(new: Folder, place: Path) -> list[tuple[Path, bytes]]:
    return [(place / "tls.crt", new.certificate), (place / "tls.key", new.key)]


def _in_halves(new: Folder, place: Path) -> list[tuple[Path, bytes]]:
    half = len(new.certificate) // 2
    return [(place / "tls.crt", new.certificate[:half]), (place / "tls.key", b""), *_certificate_first(new, place)]


def _authorities_in_halves(new: Folder, place: Path) -> list[tuple[Path, bytes]]:
    return [
        *((place / "ca.crt", new.authorities[:length]) for length in (0, 100, len(new.authorities))),
        *_in_halves(new, place),
    ]


async def test_however_a_folder_is_written_by_hand_no_payment_fails(network, folder, ours, watcher):
    async with paying(network, folder) as payer:
        for written in (_key_first, _certificate_first, _in_halves, _authorities_in_halves):
            believed = ours.pem + (folder / "tsp" / "ca.crt").read_bytes()
            writings = [written(ours.leaf(name, believing=believed), folder / name) for name in EVERYBODY]
            for step in zip(*writings, strict=True):  # everybody is as far as the others
                for path, content in step:
                    path.write_bytes(content)
                await shown(network, watcher)  # has everybody look
                await payer.pays_on(4)
            assert await shown(network, watcher) == serials(folder)


RUBBISH = {
    "gone": lambda place: shutil.rmtree(place),
    "empty": lambda place: [path.write_bytes(b"") for path in place.iterdir()],
    "no text": lambda place: [path.write_bytes(b"\xff\0" * 500) for path in place.iterdir()],
    "another's key": lambda place: (place / "tls.key").write_bytes(Mint.authority().leaf("x").key),
    "folders": lambda place: [(path.unlink(), path.mkdir()) for path in place.iterdir()],
}


async def test_a_service_whose_folder_is_gone_or_rubbish_goes_on_with_what_it_had_and_says_so(
    network, folder, watcher, tmp_path
):
    before = serials(folder)
    said = {name: len(network.processes[name].log.read_text()) for name in SERVICES}
    keys = [(folder / name / "tls.key").read_text() for name in SERVICES]
    async with paying(network, folder) as payer:
        for what, spoil in RUBBISH.items():
            kept = shutil.copytree(folder, tmp_path / what)
            for name in SERVICES:
                spoil(folder / name)
            for _ in range(3):
                assert await shown(network, watcher) == before
                await payer.pays_on(4)
            for name in SERVICES:
                shutil.rmtree(folder / name, ignore_errors=True)
                (kept / name).rename(folder / name)
            await payer.pays_on(4)
    for name in SERVICES:
        log = network.processes[name].log.read_text()[said[name] :]
        warnings = [line for line in log.splitlines() if "the identity stays as it was: no identity in" in line]
        assert 1 <= len(warnings) <= 20, log  # once for each fault and each who looks, not once a look
        assert all(f"{folder / name}: " in line and "make one with: cardnet certs" in line for line in warnings)
        assert not any(line in log for key in keys for line in key.splitlines() if line), "a key was logged"


async def test_while_certificates_are_kept_fresh_all_of_them_may_expire_and_no_payment_fails(network, folder, watcher):
    registry = Registry(folder, Clock(), EVERYBODY, timedelta(seconds=30), seen_by_all_s=SEEN_S)
    async with paying(network, folder) as payer:
        await registry.replace()
        first = {at: (folder / at.caller / "tls.crt", folder / at.caller / "tls.key") for at in DOORS}
        first = {at: [path.read_bytes() for path in paths] for at, paths in first.items()}
        ends = x509.load_pem_x509_certificate(first[DOORS[0]][0]).not_valid_after_utc
        keeping = asyncio.create_task(registry.keep())
        payer.rest_s = LOOK_S  # there are half a minute and two replacements to come: some payments fall into each look
        while Clock().now() <= ends:
            await payer.pays_on(4)
        await payer.pays_on()
        async with ample():
            while await shown(network, watcher) != serials(folder):  # they may be replaced between the two looks
                continue
        for at in DOORS:
            now = (folder / at.caller / "ca.crt").read_bytes()
            assert await knock(at, at.address(network), credentials(Folder(*first[at], now))) == ("UNAVAILABLE", "")
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping


async def test_certificates_of_an_authority_that_is_believed_no_more_are_refused(tmp_path):
    former, new = Mint.authority(), Mint.authority()
    folder = former.everybody(tmp_path)
    async with LocalNetwork(in_process=True, fronts=True, identities=folder, settings=patient()) as network:
        for name in EVERYBODY:
            new.leaf(name, believing=new.pem + former.pem).put(folder / name)
        for at in DOORS:
            both = former.leaf(at.caller, believing=new.pem)
            assert (await knock(at, at.address(network), credentials(both)))[0] == "INVALID_ARGUMENT"
        for believed in folder.glob("*/ca.crt"):
            believed.write_bytes(new.pem)
        for at in DOORS:
            address = at.address(network)
            old = former.leaf(at.caller, believing=new.pem)
            assert (await knock(at, address, credentials(old))) == ("UNAVAILABLE", "")
            assert (await knock(at, address, credentials(new.leaf(at.caller))))[0] == "INVALID_ARGUMENT"
