"""One stack for all tests in containers. They need an engine, so they run by `make test-containers` alone."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

# testcontainers' reaper is an image from a registry. What is started here is removed here.
os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")

from stack import IMAGE, OF_TESTS, ROOT, Stack, docker

from cardnet.testing import RemoteNetwork

# The canary, and tests that are run once more against containers.
sys.path += [str(ROOT / "tests" / name) for name in ("flow", "unit")]


@pytest.fixture(scope="session")
def image() -> str:
    """The image, built as `docker compose build` does. Those of earlier runs, whose name it has now, are removed."""
    build = ("docker", "build", "--quiet", "--tag", IMAGE, "--label", OF_TESTS, ".")
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    docker("image", "prune", "--force", "--filter", f"label={OF_TESTS}", check=False)  # one run at a time
    return IMAGE


@pytest.fixture(scope="session")
def stack(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The network of docker-compose.yml with several instances of most services, healthy."""
    with Stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest_asyncio.fixture
async def network(stack: Stack) -> AsyncIterator[RemoteNetwork]:
    """The same, met from outside with the cardholder's identity."""
    async with stack.network() as met:
        yield met
