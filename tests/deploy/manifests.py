"""The Kubernetes manifests as a cluster gets them: each overlay, rendered by kustomize itself."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())

SERVICES = ("merchant", "acquirer", "network", "tsp", "issuer")
STORES = ("shops", "vault", "ledger")

Document = dict[str, Any]

# Debian's own package, in the image that cardnet is built from.
_IMAGE = """FROM python:3.13-slim
RUN apt-get -qq update && apt-get -qq install --yes --no-install-recommends kustomize
"""


def render(folder: Path, overlay: str) -> list[Document]:
    """What `kubectl apply -k folder/overlay` would send. Where nothing renders the test is skipped, but not in CI."""
    command = _renderer(folder)
    if not command:
        missing = "no kustomize, no kubectl and no Docker is here"
        if os.environ.get("CI"):
            pytest.fail(f"{missing}, and in CI the manifests must be held against the schema")
        pytest.skip(missing)
    done = subprocess.run([*command, overlay], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def _renderer(folder: Path) -> Sequence[str]:
    if shutil.which("kustomize"):
        return ("kustomize", "build")
    if shutil.which("kubectl"):
        return ("kubectl", "kustomize")
    if not shutil.which("docker") or subprocess.run(["docker", "info"], capture_output=True).returncode:
        return ()
    build = ("docker", "build", "--quiet", "--tag", "cardnet-kustomize", "-")
    subprocess.run(build, input=_IMAGE, text=True, check=True)
    mount = f"type=bind,source={folder},target=/manifests,readonly"
    container = ("docker", "run", "--rm", "--network=none", f"--mount={mount}", "--workdir=/manifests")
    return (*container, "cardnet-kustomize", "kustomize", "build")


def copied(target: Path) -> Path:
    """A copy of deploy/kubernetes, without secrets that somebody made, and with a stand-in for each file of theirs."""
    shutil.copytree(KUBERNETES, target, ignore=shutil.ignore_patterns("secrets"), dirs_exist_ok=True)
    for file in secret_files():
        path = target / "overlays" / "local" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a stand-in")
    return target


def secret_files() -> set[str]:
    """The files from which the local overlay makes its Secrets."""
    overlay = yaml.safe_load((KUBERNETES / "overlays" / "local" / "kustomization.yaml").read_text())
    return {file for secret in overlay["secretGenerator"] for file in secret["files"]}


def demo() -> Document:
    """The Job that pays as a visitor."""
    return yaml.safe_load((KUBERNETES / "overlays" / "local" / "demo.yaml").read_text())


def of_kind(documents: Sequence[Document], *kinds: str) -> list[Document]:
    return [document for document in documents if document["kind"] in kinds]


def pods(documents: Sequence[Document]) -> dict[str, Document]:
    """The pod templates, by the names of their workloads."""
    workloads = of_kind(documents, "Deployment", "StatefulSet", "Job")
    return {workload["metadata"]["name"]: workload["spec"]["template"] for workload in workloads}


def container(pod: Document) -> Document:
    (only,) = pod["spec"]["containers"]
    return only


def settings(pod: Document) -> dict[str, str]:
    """The environment of a pod; empty text for what comes from a Secret."""
    return {variable["name"]: variable.get("value", "") for variable in container(pod).get("env", ())}


def secrets_used(pod: Document) -> Iterator[tuple[str, str]]:
    """The Secrets that a pod takes, and from each a key, or nothing for all of them."""
    for volume in pod["spec"]["volumes"]:
        if "secret" in volume:
            yield volume["secret"]["secretName"], ""
    for variable in container(pod).get("env", ()):
        if "valueFrom" in variable:
            reference = variable["valueFrom"]["secretKeyRef"]
            yield reference["name"], reference["key"]
