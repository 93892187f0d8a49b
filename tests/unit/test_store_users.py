"""`cardnet store-users`: what it writes for Redis servers that stand by themselves."""

import stat
from hashlib import sha256
from pathlib import Path

import pytest

from cardnet.cli import main
from cardnet.store.address import StoreAddress

LEDGER = "ledger=issuer,network"


def written(folder: Path, *stores: str) -> int:
    return main(["store-users", *stores, "--users", str(folder / "users"), "--urls", str(folder / "urls")])


def address(folder: Path, user: str) -> StoreAddress:
    return StoreAddress.parse((folder / "urls" / user / "redis.url").read_text().strip())


def test_each_service_gets_a_url_with_a_password_of_its_own(tmp_path: Path) -> None:
    assert written(tmp_path, LEDGER, "vault:6380=tsp") == 0
    found = {user: address(tmp_path, user) for user in ("issuer", "network", "tsp")}
    assert {user: (at.host, at.port, at.user) for user, at in found.items()} == {
        "issuer": ("ledger", 6379, "issuer"),
        "network": ("ledger", 6379, "network"),
        "tsp": ("vault", 6380, "tsp"),
    }
    assert len({at.password for at in found.values()}) == 3
    assert all(len(at.password) >= 32 for at in found.values())


def test_a_server_is_told_digests_alone_and_of_its_own_users_alone(tmp_path: Path) -> None:
    written(tmp_path, LEDGER, "vault=tsp")
    text = (tmp_path / "users" / "ledger" / "users.acl").read_text()
    names = [line.split()[1] for line in text.splitlines()]
    assert names == ["default", "HEALTH", "issuer", "network"]
    assert "user default off resetpass" in text
    assert not [line for line in text.splitlines() if "+@all" in line and " off " not in line]
    for user in ("issuer", "network"):
        password = address(tmp_path, user).password
        assert password not in text
        assert f"user {user} on #{sha256(password.encode()).hexdigest()} ~{user}:* " in text


def test_the_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    written(tmp_path, LEDGER)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_passwords_that_are_there_are_kept_and_new_services_get_theirs(tmp_path: Path) -> None:
    written(tmp_path, "ledger=issuer")
    before = address(tmp_path, "issuer")
    written(tmp_path, "accounts:7000=issuer,network")
    after = address(tmp_path, "issuer")
    assert (after.password, after.host, after.port) == (before.password, "accounts", 7000)
    acl = (tmp_path / "users" / "accounts" / "users.acl").read_text()
    assert sha256(before.password.encode()).hexdigest() in acl
    assert address(tmp_path, "network").password


@pytest.mark.parametrize(
    "stores",
    [
        ["ledger"],
        ["ledger="],
        ["=issuer"],
        ["ledger=Issuer"],
        ["ledger=issuer,"],
        ["ledger=default"],
        ["ledger:x=issuer"],
        ["ledger=issuer", "vault=issuer"],
        ["ledger=issuer,issuer"],
    ],
)
def test_stores_that_cannot_be_are_refused_and_nothing_is_written(
    tmp_path: Path, stores: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert written(tmp_path, *stores) == 2
    assert "cardnet: error: store: must " in capsys.readouterr().err
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_url_file_that_holds_something_else_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "urls" / "issuer" / "redis.url"
    file.parent.mkdir(parents=True)
    file.write_text("redis://network:a-password-of-old@ledger:6379/0\n")
    assert written(tmp_path, LEDGER) == 2
    said = capsys.readouterr().err
    assert "urls: must have" in said and "a-password-of-old" not in said
    assert "a-password-of-old" in file.read_text()
