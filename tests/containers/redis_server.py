"""A Redis in a container, set up as those of docker-compose.yml: their image, their options, and users."""

import json
import os
import secrets
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stack import PREFIX, PROJECT, ROOT
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

READY = "Ready to accept connections"


class RedisServer:
    """A running one. address: host:port."""

    def __init__(self, container: DockerContainer, address: str) -> None:
        self._container = container.get_wrapped_container()
        self.address = address

    def kill_and_start(self) -> None:
        """SIGKILL, and a start with what is on its disk."""
        self._container.kill()
        self._container.wait()
        self._container.start()

    def log(self) -> str:
        return str(self._container.logs().decode())


@contextmanager
def redis_server(acl: Path, address: str) -> Iterator[RedisServer]:
    """Run one for a block. acl: its aclfile. address: 127.0.0.1 and a free port."""
    command = ("docker", "compose", "config", "--format", "json")
    settings = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    store = json.loads(settings)["services"]["ledger"]
    assert store["image"] == "redis:8"
    host, _, port = address.partition(":")
    container = (
        DockerContainer(store["image"], _wait_strategy=LogMessageWaitStrategy(READY))
        .with_command(store["command"])
        .with_volume_mapping(acl.parent, "/run/redis", "ro")
        .with_kwargs(
            entrypoint=store["entrypoint"],
            user=f"{os.getuid()}:{os.getgid()}",
            read_only=True,
            cap_drop=["ALL"],
            # By which it is found and removed, if we are killed: its own, or others' servers would keep it alive.
            labels={PROJECT: f"{PREFIX}redis-{secrets.token_hex(4)}"},
        )
    )
    container.ports = {"6379/tcp": (host, int(port))}  # its methods know ports alone, and would open them to everybody
    with container as running:
        yield RedisServer(running, address)


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return f"127.0.0.1:{held.getsockname()[1]}"
