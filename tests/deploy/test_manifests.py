"""What a cluster would get is of the API's schema, runs with no more rights than it needs, and fits the services."""

import importlib
import re
from copy import deepcopy
from dataclasses import fields
from functools import cache
from pathlib import Path

import kubernetes_validate
import pytest
from manifests import COMPOSE, SERVICES, Document, container, demo, of_kind, pods, render, secrets_used, settings

from cardnet.identity import SERVERS, TRUST_DOMAIN

# It would read a megabyte of schema anew for each document.
kubernetes_validate.utils.schema_contents = cache(kubernetes_validate.utils.schema_contents)

OLDEST, NEWEST = "1.32", "1.37"
"""The Kubernetes versions between which the manifests are to do."""

LISTENING = {name: COMPOSE["services"][name]["environment"]["CARDNET_LISTEN"] for name in SERVICES}
HEALTH = 50070
VOLUMES = {"secret", "emptyDir", "persistentVolumeClaim", "configMap"}


def complaints(documents: list[Document], version: str) -> list[str]:
    """What the schema does not allow. Fields that it does not know are among it."""
    found = []
    for document in documents:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as complaint:
            found.append(f"{document['kind']} {document['metadata']['name']}: {complaint.message}")
    return found


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_what_is_rendered_is_of_the_schema(version: str, local: list[Document], scaled: list[Document]) -> None:
    assert len(local) > 50
    assert len(scaled) > 40
    assert not complaints([*local, *scaled, demo()], version)


def test_a_misspelt_field_is_refused_however_deep_it_is(manifests: Path) -> None:
    every_pod = manifests / "base" / "every-pod.yaml"
    right = every_pod.read_text()
    every_pod.write_text(right.replace("failureThreshold: 300", "failureTreshold: 300"))
    try:
        broken = render(manifests, "overlays/scaled")
    finally:
        every_pod.write_text(right)

    found = complaints(broken, NEWEST)

    assert len(found) == len(of_kind(broken, "Deployment"))
    assert all("failureTreshold" in complaint for complaint in found)


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("Deployment", "spec.selector", None),
        ("Deployment", "spec.template.spec.terminationGracePeriodSeconds", "twenty"),
        ("NetworkPolicy", "spec.egres", []),
        ("Service", "spec.clusterIp", "None"),
        ("HorizontalPodAutoscaler", "spec.maxReplicas", None),
        ("PodDisruptionBudget", "apiVersion", "policy/v9"),
    ],
)
def test_the_validator_finds_what_is_wrong(kind: str, path: str, value: object, scaled: list[Document]) -> None:
    document = deepcopy(of_kind(scaled, kind)[0])
    assert not complaints([document], NEWEST)

    *parents, name = path.split(".")
    part = document
    for parent in parents:
        part = part[parent]
    if value is None:
        del part[name]
    else:
        part[name] = value

    assert complaints([document], NEWEST)


@pytest.fixture(params=["local", "scaled"])
def overlay(request: pytest.FixtureRequest) -> list[Document]:
    documents: list[Document] = request.getfixturevalue(request.param)
    return [*documents, demo()]


def test_no_pod_may_do_more_than_it_needs(overlay: list[Document]) -> None:
    for name, pod in pods(overlay).items():
        spec, only = pod["spec"], container(pod)
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["runAsUser"] == 10001, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), name
        assert only["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert only["resources"]["limits"]["memory"] == "256Mi", name
        assert {"cpu", "memory"} <= only["resources"]["requests"].keys(), name
        assert all(volume.keys() & VOLUMES for volume in spec["volumes"]), name
        given = [mount for mount in only["volumeMounts"] if mount["mountPath"].startswith(("/run/", "/etc/"))]
        assert given, name
        assert all(mount["readOnly"] for mount in given), name


def test_the_namespace_lets_no_other_pods_in(overlay: list[Document]) -> None:
    (namespace,) = of_kind(overlay, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    outside = [one for one in overlay if one is not namespace and one["metadata"].get("namespace") != "cardnet"]
    assert not outside


def test_a_pod_is_ready_when_it_serves_and_alive_when_it_listens(overlay: list[Document]) -> None:
    for name in SERVERS:
        only = container(pods(overlay)[name])
        assert only["readinessProbe"]["grpc"] == {"port": HEALTH}
        # A service whose store is away says NOT_SERVING, and starting it again would not help.
        assert only["livenessProbe"]["tcpSocket"] == only["startupProbe"]["tcpSocket"] == {"port": HEALTH}
        listens = settings(pods(overlay)[name]).get("CARDNET_HEALTH_LISTEN") or " ".join(only["command"])
        assert f"0.0.0.0:{HEALTH}" in listens


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_told_nothing_that_it_does_not_know(service: str, overlay: list[Document]) -> None:
    known = {field.name for field in fields(importlib.import_module(f"services.{service}.app").Config)}
    for variable in settings(pods(overlay)[service]):
        match = re.fullmatch(f"CARDNET_(?:{service.upper()}_)?([A-Z_]+)", variable)
        assert match, variable
        name = match[1].lower()
        assert name in known or name.removesuffix("_file") in known, variable


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_told_what_it_cannot_do_without(service: str, overlay: list[Document]) -> None:
    told = settings(pods(overlay)[service])
    in_compose = COMPOSE["services"][service]["environment"]
    neighbours = {name: value for name, value in in_compose.items() if re.fullmatch("[a-z]+:[0-9]+", value)}
    assert neighbours.items() <= told.items()
    assert told["CARDNET_REDIS_URL_FILE"] == in_compose["CARDNET_REDIS_URL_FILE"]
    assert told["CARDNET_IDENTITY"] == in_compose["CARDNET_IDENTITY"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_listens_where_its_name_leads(service: str, overlay: list[Document]) -> None:
    port = int(LISTENING[service].removeprefix("0.0.0.0:"))
    assert settings(pods(overlay)[service])["CARDNET_LISTEN"] == LISTENING[service]
    assert {"name": "grpc", "containerPort": port} in container(pods(overlay)[service])["ports"]
    (named,) = [one for one in of_kind(overlay, "Service") if one["metadata"]["name"] == service]
    assert [(door["port"], door["targetPort"]) for door in named["spec"]["ports"]] == [(port, port)]


def test_a_name_stands_for_every_instance(overlay: list[Document]) -> None:
    for service in of_kind(overlay, "Service"):
        pod = pods(overlay)[service["metadata"]["name"]]
        assert service["spec"]["clusterIP"] == "None"
        assert pod["metadata"]["labels"].items() >= service["spec"]["selector"].items()


def test_every_secret_that_a_pod_takes_is_made_from_files(local: list[Document]) -> None:
    made = {one["metadata"]["name"]: set(one["data"]) for one in of_kind(local, "Secret")}
    for name, pod in pods([*local, demo()]).items():
        for secret, key in secrets_used(pod):
            assert secret in made, name
            assert not key or key in made[secret], name
    assert all(made[f"identity-{name}"] == {"tls.crt", "tls.key", "ca.crt"} for name in (*SERVERS, "cardholder"))


def test_nobody_mounts_what_is_anothers(overlay: list[Document]) -> None:
    takers: dict[str, list[str]] = {}
    for name, pod in pods(overlay).items():
        for secret, _ in secrets_used(pod):
            takers.setdefault(secret, []).append(name)
    assert all(len(names) == 1 for names in takers.values()), takers


def test_the_scaled_overlay_has_several_of_each(scaled: list[Document]) -> None:
    least = {one["metadata"]["name"]: one["spec"]["minReplicas"] for one in of_kind(scaled, "HorizontalPodAutoscaler")}
    assert least == {"merchant": 2, "acquirer": 2, "network": 3, "tsp": 2, "issuer": 2}
    # A number of its own would undo the autoscaler's whenever the overlay is applied.
    assert not [one for one in of_kind(scaled, "Deployment") if "replicas" in one["spec"]]
    assert {one["metadata"]["name"] for one in of_kind(scaled, "PodDisruptionBudget")} == set(SERVICES)
    (state,) = of_kind(scaled, "PersistentVolumeClaim")
    assert state["spec"]["accessModes"] == ["ReadWriteMany"]
    assert not of_kind(scaled, "Secret", "StatefulSet")


def test_a_certificate_names_its_owner_and_nobody_else(certified: list[Document]) -> None:
    leaves = {one["metadata"]["name"]: one["spec"] for one in of_kind(certified, "Certificate")}
    authority = leaves.pop("authority")
    assert authority["isCA"]
    assert leaves.keys() == {*SERVERS, "cardholder", "operator"}
    for name, leaf in leaves.items():
        assert leaf["secretName"] == f"identity-{name}"
        assert leaf["uris"] == [f"spiffe://{TRUST_DOMAIN}/{name}"]
        assert leaf.get("dnsNames", []) == ([name] if name in SERVERS else [])
        assert ("server auth" in leaf["usages"]) == (name in SERVERS)
        assert leaf["issuerRef"]["name"] == "authority"
    others = [one for one in certified if one["apiVersion"] != "cert-manager.io/v1"]
    assert len(others) == len(certified) - len(leaves) - 3
    assert not complaints(others, NEWEST)
