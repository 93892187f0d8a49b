"""`make-secrets` writes what the local overlay asks for, and with it the services can start."""

import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from manifests import SERVICES, STORES, Document, container, pods, secret_files, settings

from cardnet.certificates import Identity
from cardnet.config import read
from cardnet.store.address import StoreAddress

LOCAL = "overlays/local"


def make(folder: Path) -> dict[str, bytes]:
    """Run `make-secrets` and give all files that stand there then."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [folder / LOCAL / "make-secrets"], env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    files = [file for file in (folder / LOCAL / "secrets").rglob("*") if file.is_file()]
    return {str(file.relative_to(folder / LOCAL)): file.read_bytes() for file in files}


@pytest.fixture(scope="module")
def folder(manifests: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifests with real secrets."""
    folder = tmp_path_factory.mktemp("secrets") / "kubernetes"
    shutil.copytree(manifests, folder, ignore=shutil.ignore_patterns("secrets"))
    return folder


@pytest.fixture(scope="module")
def files(folder: Path) -> dict[str, bytes]:
    return make(folder)


def test_every_file_that_the_overlay_asks_for_is_written(files: dict[str, bytes]) -> None:
    # The operator asks from outside: nobody in the cluster is given that identity.
    operators = {f"secrets/identities/operator/{name}" for name in ("tls.crt", "tls.key", "ca.crt")}
    assert files.keys() == secret_files() | operators


def test_keys_are_whole_and_nothing_else_is_in_their_files(files: dict[str, bytes]) -> None:
    keys = [files[f"secrets/keys/{name}"] for name in ("kek", "account-key")]
    assert all(re.fullmatch(rb"[0-9a-f]{64}", key) for key in keys)
    assert keys[0] != keys[1]


def test_nobody_else_on_the_machine_can_read_them(files: dict[str, bytes], folder: Path) -> None:
    assert not [name for name in files if (folder / LOCAL / name).stat().st_mode & 0o077]


def test_a_second_run_keeps_what_data_are_stored_under(files: dict[str, bytes], folder: Path) -> None:
    again = make(folder)
    changed = {name.split("/")[1] for name in files if again[name] != files[name]}
    assert changed == {"identities"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_can_read_what_it_is_given(
    service: str, local: list[Document], files: dict[str, bytes], folder: Path
) -> None:
    pod = pods(local)[service]
    secrets = folder / LOCAL / "secrets"
    mounted = {
        "/run/cardnet/identity": secrets / "identities" / service,
        "/run/cardnet/store": secrets / "urls" / service,
        "/run/cardnet/keys": secrets / "keys",
    }
    mounts = {mount["mountPath"] for mount in container(pod)["volumeMounts"]}
    environ = {"CARDNET_TSP_KEK": files["secrets/keys/kek"].decode()} if service == "tsp" else {}
    for name, value in settings(pod).items():
        for mount, place in mounted.items():
            if mount in mounts and value.startswith(mount):
                value = value.replace(mount, str(place))
        environ.setdefault(name, value)

    config = read(importlib.import_module(f"services.{service}.app").Config, service, environ)

    assert Identity(Path(config.identity)).papers
    address = StoreAddress.parse(config.redis_url)
    assert address.user == service
    assert address.host in STORES
    secret = {"tsp": "kek", "issuer": "account_key"}.get(service)
    assert secret is None or re.fullmatch("[0-9a-f]{64}", getattr(config, secret))
