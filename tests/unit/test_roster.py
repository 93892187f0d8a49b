"""What a running network leaves for commands on the same machine: found while it runs, and only then."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cardnet import roster
from cardnet.errors import Unavailable
from cardnet.roster import PostedRoster, Roster
from cardnet.testing.wiring import Wiring

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "cardnet"


def at(port: int, **changes: str) -> Roster:
    known = {
        "services": {"merchant": f"127.0.0.1:{port}"},
        "collector": "127.0.0.1:4317",
        "identities": "/identities",
    }
    return Roster(**known, **changes)  # type: ignore[arg-type]


def test_a_network_is_found_by_its_port_until_it_is_taken_down() -> None:
    posted = PostedRoster(at(50051, clock_file="/somewhere/clock"))
    assert roster.find(50051) == at(50051, clock_file="/somewhere/clock")
    assert roster.find(50151) is None
    posted.take_down()
    assert roster.find(50051) is None
    assert roster.ports() == []


def test_a_network_of_a_version_that_says_more_is_found(folder: Path) -> None:
    posted = PostedRoster(at(50051))
    with (folder / "50051.json").open("r+") as file:  # the same file, for its owner holds it locked
        said = json.load(file) | {"weather": "fair"}
        file.seek(0)
        json.dump(said, file)
    assert roster.all_of_them() == [at(50051)]
    posted.take_down()


def test_all_networks_are_listed_by_their_ports() -> None:
    posted = [PostedRoster(at(port)) for port in (50151, 50051)]
    assert roster.ports() == [50051, 50151]
    for each in posted:
        each.take_down()


def test_file_and_folder_are_their_users_alone(folder: Path) -> None:
    posted = PostedRoster(at(50051))
    assert (folder / "50051.json").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    posted.take_down()


def test_what_a_process_leaves_that_was_killed_is_ignored_and_removed(folder: Path) -> None:
    code = (
        "import os, signal; from cardnet.roster import *\n"
        "posted = PostedRoster(Roster(services={'merchant': 'h:50051'}, collector=''))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == -9
    assert (folder / "50051.json").exists()
    assert roster.ports() == []
    assert not (folder / "50051.json").exists()


def test_a_network_that_took_the_place_of_another_is_not_taken_down_with_it() -> None:
    first = PostedRoster(at(50051))
    second = PostedRoster(at(50051, kek_file="second"))
    first.take_down()
    found = roster.find(50051)
    assert found is not None and found.kek_file == "second"
    second.take_down()


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_folder_that_others_may_enter_is_not_used(folder: Path, mode: int) -> None:
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(Unavailable, match="must be a folder of yours that nobody else may enter") as refused:
        PostedRoster(at(50051))
    assert refused.value.reason == "ROSTER_FOLDER_UNSAFE"
    assert not list(folder.iterdir())


def test_a_link_in_the_folders_place_is_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Unavailable):
        PostedRoster(at(50051))


def test_without_a_folder_of_the_session_the_temporary_one_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "gone"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    posted = PostedRoster(at(50051))
    assert [path.parent.name.split("-")[0] for path in tmp_path.glob("cardnet-*/50051.json")] == ["cardnet"]
    posted.take_down()


def test_a_network_leaves_where_its_doors_and_identities_are() -> None:
    wiring = Wiring(
        addresses={"merchant": "127.0.0.1:50051", "tsp": "127.0.0.1:50054"},
        admin_addresses={"tsp": "127.0.0.1:50064"},
        store_urls={"tsp": "unix://tsp:secret@/s"},
        identities="/identities",
        collector="127.0.0.1:4317",
        faults_file="/faults",
        extra={"tsp": {"kek_file": "/k", "audit_file": "/a"}},
    )
    left = wiring.roster()
    assert (left.port, left.kek_file, left.audit_file, left.identities) == (50051, "/k", "/a", "/identities")
    assert (left.faults, left.levers) == (True, "")  # there is a console only afterwards
    assert replace(left, console="http://localhost:8753").levers == "http://localhost:8753/topology"
    assert replace(left, console="http://localhost:8753", faults=False).levers == ""
    assert left.address("tsp", "merchant") == "127.0.0.1:50054"
    assert left.address("tsp", "operator") == "127.0.0.1:50064"
    assert left.address("collector", "cardholder") == "127.0.0.1:4317"


def test_a_door_or_an_identity_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    left = Roster(services={"merchant": "h:1"}, identities=str(tmp_path))
    with pytest.raises(Unavailable, match="no admin door") as refused:
        left.address("tsp", "operator")
    assert refused.value.reason == "NO_SUCH_DOOR"
    with pytest.raises(Unavailable, match="no identity of the operator") as refused:
        left.presented("operator")
    assert refused.value.reason == "NO_IDENTITY"


def test_a_roster_does_not_print_its_secrets(folder: Path) -> None:
    posted = PostedRoster(Roster(services={"merchant": "h:1"}, vault_store="redis://tsp:secret@h:1/0"))
    found = roster.find(1)
    assert found is not None
    assert "secret" not in repr(found)
    assert "secret" in json.loads((folder / "1.json").read_text())["vault_store"]
    posted.take_down()
