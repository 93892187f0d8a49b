"""docs/containers.md, docker-compose.yml and the code agree: ports, volumes, networks, names."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text()
ADMIN = (ROOT / "deploy" / "compose" / "admin.yml").read_text()
DOCUMENT = (ROOT / "docs" / "containers.md").read_text()


def test_every_setting_of_the_compose_files_is_documented_and_no_other() -> None:
    own = (ROOT / "deploy" / "compose" / "own-certificates.yml").read_text()
    read = set(re.findall(r"\$\{(CARDNET_\w+)", COMPOSE + ADMIN + own)) - {"CARDNET_IMAGE"}
    assert read == set(re.findall(r"\bCARDNET_[A-Z_]+", DOCUMENT))


@pytest.mark.parametrize("text", [COMPOSE, ADMIN], ids=["main", "admin"])
def test_a_port_is_published_at_loopback_alone_and_documented(text: str) -> None:
    published = re.findall(r'"(\S*)\$\{(CARDNET_PORT_\w+):-(\d+)\}:(\d+)"', text)
    assert len(published) == len(re.findall(r'\}:\d+"', text)) > 0
    for host, setting, port, inside in published:
        assert (host, port) == ("127.0.0.1:", inside), setting
        assert re.search(rf"\b{port}\b", DOCUMENT) and setting in DOCUMENT


def test_every_network_is_documented() -> None:
    declared = COMPOSE.partition("\nnetworks:\n")[2].partition("\nvolumes:\n")[0]
    names = re.findall(r"^  (\w+):", declared, re.MULTILINE)
    assert (
        names == re.findall(r"^\| `(\w+)` \|", DOCUMENT.partition("## Who reaches what")[2], re.MULTILINE)[: len(names)]
    )


def test_every_volume_that_is_kept_is_documented() -> None:
    declared = COMPOSE.partition("\nvolumes:\n")[2].partition("# In memory")[0]
    for name in re.findall(r"^  ([a-z-]+):", declared, re.MULTILINE):
        kind = name.partition("-")[0]
        assert f"`{name}`" in DOCUMENT or f"`{kind}-…`" in DOCUMENT, name
