"""The overlays, each rendered once."""

from pathlib import Path

import pytest
from manifests import Document, copied, render


@pytest.fixture(scope="session")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of deploy/kubernetes that can be rendered, and broken."""
    return copied(tmp_path_factory.mktemp("kubernetes"))


@pytest.fixture(scope="session")
def local(manifests: Path) -> list[Document]:
    return render(manifests, "overlays/local")


@pytest.fixture(scope="session")
def scaled(manifests: Path) -> list[Document]:
    return render(manifests, "overlays/scaled")


@pytest.fixture(scope="session")
def certified(manifests: Path) -> list[Document]:
    """The scaled overlay as it is with cert-manager."""
    folder = manifests / "overlays" / "certified"
    folder.mkdir()
    component = "components: [../../components/cert-manager]"
    lines = ["kind: Kustomization", "namespace: cardnet", "resources: [../scaled]", component]
    (folder / "kustomization.yaml").write_text("\n".join(lines))
    return render(manifests, "overlays/certified")
