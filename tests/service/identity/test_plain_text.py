"""Plain text is only for this machine, only where it was asked for, and goes through nobody's proxy."""

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from doorway import DOORS, asked_as_cardnet_asks
from patience import AMPLE_S, patient

from cardnet.certificates import Identity
from cardnet.config import SettingMissing
from cardnet.embedded_store import EmbeddedStore
from cardnet.identity import NEIGHBOURS
from cardnet.steps import SERVICES
from cardnet.testing import LocalNetwork
from cardnet.wire import GrpcLink, is_loopback

on_one_loop = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parents[3]

HERE = [
    *("127.0.0.1:50051", "127.0.0.1:0", "127.8.9.10:1", "[::1]:50051", "localhost:50051"),
    *("unix:/run/cardnet.sock", "unix:run.sock", "unix:///run/cardnet.sock"),
]
ELSEWHERE = [
    *("0.0.0.0:50051", "[::]:50051", "10.0.0.1:1", "192.168.1.1:1", "[fe80::1]:1", "[2001:db8::1]:1", "128.0.0.1:1"),
    *("merchant:50051", "example.test:1", "localhost.example.test:1", "LOCALHOST:1", "127.0.0.1.example.test:1"),
    *("127.1:1", "2130706433:1", "0x7f.0.0.1:1", "0177.0.0.1:1", "127.0.0.1", "localhost", "", ":", ":50051", "*:1"),
    *("[::ffff:10.0.0.1]:1", "127.0.0.1:1,10.0.0.1:1", "10.0.0.1:1,127.0.0.1:1", "vsock:1:1", "unix"),
]


@pytest.mark.parametrize("address", HERE)
def test_these_addresses_are_of_this_machine_alone(address):
    assert is_loopback(address)


@pytest.mark.parametrize("address", ELSEWHERE)
def test_these_are_not_or_nobody_can_be_sure(address):
    assert not is_loopback(address)


@pytest.mark.parametrize(
    "address", [*HERE, "ipv4:127.0.0.1:1,127.0.0.2:2", "ipv6:[::1]:1", "dns:localhost:1", "dns:///localhost:1"]
)
@on_one_loop
async def test_plain_text_is_spoken_within_this_machine(address):
    await GrpcLink("issuer", address, "network").close()


@pytest.mark.parametrize(
    "address",
    [*ELSEWHERE, "ipv4:127.0.0.1:1,10.0.0.2:2", "dns:issuer:1", "dns:///issuer:1", "dns://127.0.0.1:53/issuer:1"],
)
@on_one_loop
async def test_and_nothing_is_said_in_plain_text_to_another(address):
    with pytest.raises(SettingMissing, match="plain text is for loopback addresses alone: the issuer is not at one"):
        GrpcLink("issuer", address, "network")


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def store():
    with EmbeddedStore.start(None, SERVICES) as store:
        yield store


async def started(service: str, store: EmbeddedStore, folder: Path, **settings: str) -> tuple[int, str]:
    """Start a service as a process: its exit code, and what it says. One that serves says "ready" and ends."""
    values = {
        "redis_url": store.url(service),
        "listen": "127.0.0.1:0",
        "insecure": "1",
        **dict.fromkeys(NEIGHBOURS[service], "127.0.0.1:1"),
        **({"keys_file": str(folder / "keys")} if service == "issuer" else {}),
        **({name: str(folder / name) for name in ("kek_file", "audit_file")} if service == "tsp" else {}),
        **({"kek_file_create": "1"} if service == "tsp" else {}),
        **settings,
    }
    own = {f"CARDNET_{service.upper()}_{name.upper()}": value for name, value in values.items() if value}
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CARDNET_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"services.{service}"),
        cwd=ROOT,
        env=environ | own | {"CARDNET_EXIT_WITH_STDIN": "1"},
        stdin=subprocess.PIPE,  # which communicate() closes: whoever serves ends at once
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    told, said = await asyncio.wait_for(process.communicate(b""), AMPLE_S)
    return process.returncode or 0, (told + said).decode()


REFUSED = [
    ("merchant", {"listen": "0.0.0.0:0"}),
    ("acquirer", {"listen": "[::]:0"}),
    ("network", {"issuer": "10.0.0.1:50055"}),
    ("tsp", {"admin_listen": "0.0.0.0:0"}),
    ("issuer", {"admin_listen": "localhost.example.test:0"}),
    ("issuer", {"collector": "collector:4317"}),
]


@on_one_loop
async def test_a_service_does_not_start_with_plain_text_that_would_leave_this_machine(store, keys):
    tries = (started(service, store, keys, **settings) for service, settings in REFUSED)
    for code, said in await asyncio.gather(*tries):
        assert code == 2
        assert "for loopback addresses alone" in said
        assert "ready" not in said
        assert "Traceback" not in said


@on_one_loop
async def test_a_service_without_an_identity_does_not_fall_back_to_plain_text(store, keys):
    code, said = await started("issuer", store, keys, insecure="off")
    assert code == 2
    assert "CARDNET_ISSUER_IDENTITY must name a folder with tls.crt, tls.key and ca.crt" in said
    code, said = await started("issuer", store, keys)
    assert (code, "ready" in said) == (0, True), said  # what was refused above was refused for what was changed


@on_one_loop
async def test_no_proxy_is_asked_for_a_neighbour(monkeypatch):
    """A user's HTTP_PROXY is for the web: it neither breaks a network on this machine nor learns what is said there."""
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        for name in ("http_proxy", "https_proxy", "grpc_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        for insecure in (True, False):
            async with LocalNetwork(in_process=True, fronts=True, insecure=insecure, settings=patient()) as network:
                for at in DOORS:
                    shown = network.presented(at.caller)
                    as_ = shown.folder if isinstance(shown, Identity) else shown
                    fault = await asked_as_cardnet_asks(at, at.address(network), as_)
                    assert fault.reason in ("UNREADABLE_MESSAGE", "NEIGHBOUR_UNAVAILABLE"), at
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()
