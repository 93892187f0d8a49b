"""The compose file's network, started for tests: under a name of its own, on free ports, beside whatever else runs."""

import json
import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from testcontainers.compose import DockerCompose

from cardnet.testing import RemoteNetwork

ROOT = Path(__file__).parents[2]
IMAGE, OF_TESTS = "cardnet-test", "cardnet.of-tests"
KEPT = bool(os.environ.get("CARDNET_KEEP_STACK"))
PREFIX, KEPT_PREFIX = "cardnet-test-", "cardnet-kept-"
PROJECT = "com.docker.compose.project"
KINDS = {"container": ("--all",), "volume": (), "network": ()}
REMOVED = {"container": ("--force", "--volumes"), "volume": (), "network": ()}
ABANDONED = timedelta(hours=2)
"""No run takes so long: of a stack of which nothing is younger the run is gone."""
SCALE = {"network": 3, "tsp": 2, "acquirer": 2, "issuer": 2}
SERVICES = ("merchant", "acquirer", "network", "tsp", "issuer")
STORES = ("shops", "vault", "ledger")
IDENTITIES = "/run/cardnet/identities"
ADMIN = ("-f", "docker-compose.yml", "-f", "deploy/compose/admin.yml")
PORTS = (
    "merchant",
    "tsp",
    "collector",
    "tsp_admin",
    "issuer_admin",
    "shop",
    "tokens",
    "wallet",
    "console",
    "otlp_http",
)


class Stack(DockerCompose):
    """A whole network in containers. Start and stop it by `with`."""

    def __init__(self, folder: Path) -> None:
        """folder: for what this stack is told, and for the identities that are copied out of it."""
        self.project = f"{KEPT_PREFIX if KEPT else PREFIX}{secrets.token_hex(4)}"
        self.addresses = dict(zip(PORTS, _free_addresses(len(PORTS)), strict=True))
        self.doors = {name: self.addresses[name] for name in PORTS[:3]}
        self.folder = folder
        settings = {f"CARDNET_PORT_{name.upper()}": at.rpartition(":")[2] for name, at in self.addresses.items()}
        settings |= {"COMPOSE_PROJECT_NAME": self.project, "CARDNET_IMAGE": IMAGE}
        told = folder / "stack.env"
        told.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        super().__init__(ROOT, env_file=str(told))

    def origin(self, face: str) -> str:
        """What a browser on the host calls a web face: "shop", "tokens" (the token service), "wallet" or "console"."""
        host = "wallet.localhost" if face == "wallet" else "localhost"
        return f"http://{host}:{self.addresses[face].rpartition(':')[2]}"

    def start(self) -> None:
        """All of it, by playing the demo where nothing runs; then several instances of most. Returns when healthy."""
        sweep()
        self.demo = self.run("demo", dependencies=True)
        self.compose("up", "--wait", *self.scale(**SCALE))

    def stop(self, down: bool = True) -> None:
        """Remove all of it, the operators' doors too. CARDNET_KEEP_STACK has it stay, for a test that failed.

        What stayed by mistake would be missed in a later run: an engine has some thirty networks to give.
        """
        if not KEPT:
            self.compose(*ADMIN, "--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "3")
            left = left_of(self.project)
            assert not any(left.values()), f"{self.project} left something in the engine: {left}"

    @staticmethod
    def scale(**instances: int) -> list[str]:
        return [word for name, number in instances.items() for word in ("--scale", f"{name}={number}")]

    def compose(self, *arguments: str, check: bool = True, **environ: str) -> subprocess.CompletedProcess[str]:
        """`docker compose` with this stack. What it says is in the error when it fails."""
        command = (*self.docker_compose_command(), *arguments)
        done = subprocess.run(command, cwd=ROOT, env=os.environ | environ, capture_output=True, text=True)
        assert not check or done.returncode == 0, f"{' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done

    def run(self, service: str, *arguments: str, dependencies: bool = False) -> subprocess.CompletedProcess[str]:
        """`docker compose run --rm SERVICE`, as a user types it.

        dependencies: whether all that it needs is started, too. Compose then leaves one instance of each.
        """
        options = ("--rm", "--no-TTY", *(() if dependencies else ("--no-deps",)))
        return self.compose("--progress", "quiet", "run", *options, service, *arguments, check=False)

    def ids(self, *services: str) -> list[str]:
        """The containers of some services, or of all; those that ended, too."""
        return self.compose("ps", "--all", "--quiet", *services).stdout.split()

    def described(self, *services: str) -> list[dict[str, Any]]:
        """What the engine says of them."""
        return json.loads(docker("inspect", *self.ids(*services)))

    def execute(self, container: str, *command: str) -> str:
        """What a command in a container prints; an error if it fails."""
        return docker("exec", container, *command)

    def network(self) -> RemoteNetwork:
        """The network as a cardholder meets it at the ports of this machine."""
        return RemoteNetwork(self.doors, self.identities())

    def identities(self) -> Path:
        """The cardholder's identity, copied out as docs/containers.md says."""
        folder = self.folder / "identities"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        self.compose("cp", f"authority:{IDENTITIES}/cardholder", str(folder / "cardholder"))
        return folder


def sweep(prefix: str = PREFIX, older_than: timedelta = ABANDONED) -> None:
    """Remove the stacks whose run was killed. They would run on for ever, and each has seven of some thirty networks.

    prefix: with which the names of their projects begin. Never one that CARDNET_KEEP_STACK kept.
    """
    found = [thing for kind in KINDS for thing in _things(kind) if thing.project.startswith(prefix)]
    at_work = {thing.project for thing in found if datetime.now(UTC) - thing.began <= older_than}
    for thing in found:
        if thing.project not in at_work:
            docker(thing.kind, "rm", *REMOVED[thing.kind], thing.name, check=False)


class _Thing(NamedTuple):
    kind: str
    name: str
    project: str
    began: datetime


def _things(kind: str) -> Iterator[_Thing]:
    """What the engine has of all projects."""
    found = docker(kind, "ls", "--quiet", *KINDS[kind], "--filter", f"label={PROJECT}").split()
    # Not checked: another run may remove its own now.
    for one in json.loads(docker(kind, "inspect", *found, check=False) if found else "[]"):
        began = datetime.fromisoformat(one.get("Created") or one["CreatedAt"])
        yield _Thing(kind, one.get("Id") or one["Name"], one.get("Config", one)["Labels"][PROJECT], began)


def left_of(project: str) -> dict[str, list[str]]:
    """What the engine has of a project."""
    ours = ("--quiet", "--filter", f"label={PROJECT}={project}")
    return {kind: docker(kind, "ls", *options, *ours).split() for kind, options in KINDS.items()}


def docker(*arguments: str, check: bool = True) -> str:
    """What `docker` prints."""
    done = subprocess.run(("docker", *arguments), capture_output=True, text=True)
    assert not check or done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def service_of(container: dict[str, Any]) -> str:
    """The compose service of a container as the engine describes it."""
    return str(container["Config"]["Labels"]["com.docker.compose.service"])


def addresses_of(container: dict[str, Any]) -> Iterator[str]:
    """Its addresses, one in each network that it is in."""
    for network in container["NetworkSettings"]["Networks"].values():
        if network["IPAddress"]:
            yield network["IPAddress"]


def _free_addresses(number: int) -> list[str]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    found = [f"127.0.0.1:{one.getsockname()[1]}" for one in held]
    for one in held:
        one.close()
    return found
