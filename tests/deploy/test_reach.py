"""Who reaches whom in the cluster: those who were given the address, and nobody else, as on the networks of compose."""

import re
from collections.abc import Set
from itertools import combinations, permutations
from typing import NamedTuple

import pytest
from manifests import COMPOSE, SERVICES, STORES, Document, container, demo, of_kind, pods, settings
from reach import NAMESPACE_NAME, Door, Place, Policies

REDIS = Door("TCP", 6379)
DNS = {Door("UDP", 53), Door("TCP", 53)}
DOORS: Set[Door] = {
    *(Door("TCP", port) for port in (50051, 50052, 50053, 50054, 50055, 50064, 50065, 50070, 4317, 443)),
    *DNS,
    REDIS,
}

NAMES = Place("names", {"k8s-app": "kube-dns"}, "kube-system")
FALSE_NAMES = Place("false-names", {"k8s-app": "kube-dns"}, "cardnet")
STRANGER = Place("stranger", {}, "cardnet")
FOREIGN_MERCHANT = Place("foreign-merchant", {"app.kubernetes.io/name": "merchant"}, "default")
FOREIGN_VISITOR = Place("foreign-visitor", {"app.kubernetes.io/component": "visitor"}, "default")
INTERNET = Place("internet", address="198.18.0.1")
OUTSIDERS = (NAMES, FALSE_NAMES, STRANGER, FOREIGN_MERCHANT, FOREIGN_VISITOR, INTERNET)


class Arrow(NamedTuple):
    """Who reaches whom where."""

    source: str
    target: str
    door: Door


def places(documents: list[Document]) -> list[Place]:
    """All pods of ours."""
    return [Place(name, pod["metadata"]["labels"], "cardnet") for name, pod in pods(documents).items()]


def arrows(documents: list[Document], others: tuple[Place, ...]) -> set[Arrow]:
    """What the policies let through: every place asks every other at every door."""
    policies = Policies(of_kind(documents, "NetworkPolicy"))
    everybody = [*places([*documents, demo()]), *others]
    return {
        Arrow(source.name, target.name, door)
        for source, target in permutations(everybody, 2)
        if "cardnet" in (source.namespace, target.namespace)  # what others do among themselves is not ours
        for door in policies.let_through(source, target, DOORS)
    }


def networks_of(service: str) -> list[str]:
    """The networks of compose that a service is on, by itself or by another whose network it shares."""
    told = COMPOSE["services"][service]
    if "networks" in told:
        return list(told["networks"])
    return networks_of(told["network_mode"].removeprefix("service:"))


def users() -> dict[str, list[str]]:
    """Who of those in the cluster keeps data in which store, as compose makes the stores' users.

    The wallet is in compose alone: no browser comes into the cluster.
    """
    told = [re.fullmatch(r"(\w+)=([\w,]+)", word) for word in COMPOSE["services"]["setup"]["command"]]
    return {match[1]: [user for user in match[2].split(",") if user in SERVICES] for match in told if match}


def addresses_given(documents: list[Document]) -> set[Arrow]:
    """Who was told whose address, by a setting or on the command line; and that all of them look names up."""
    found = set()
    for name, pod in pods([*documents, demo()]).items():
        for told in (*settings(pod).values(), *container(pod)["command"]):
            if match := re.fullmatch(r"(?:--[a-z]+=)?([a-z]+):([0-9]+)", told):
                found.add(Arrow(name, match[1], Door("TCP", int(match[2]))))
    askers = {arrow.source for arrow in found}
    return found | {Arrow(name, NAMES.name, door) for name in askers for door in DNS}


def test_those_reach_a_service_who_were_given_its_address_and_nobody_else(local: list[Document]) -> None:
    stores = {Arrow(user, store, REDIS) for store, its in users().items() for user in its}
    assert arrows(local, OUTSIDERS) == addresses_given(local) | stores


def test_each_end_of_an_arrow_would_do_alone(local: list[Document]) -> None:
    """Who may send may be received, and the other way round: neither end leaves it to the other to say no."""
    policies = Policies(of_kind(local, "NetworkPolicy"))
    for source, target in permutations(places([*local, demo()]), 2):
        sent, received = policies.may_send(source, target, DOORS), policies.may_receive(source, target, DOORS)
        assert sent == received, (source.name, target.name)


def test_the_arrows_mirror_the_networks_of_compose(local: list[Document]) -> None:
    networks: dict[str, set[str]] = {}
    for name in (*SERVICES, *STORES, "collector", "demo"):
        for network in networks_of(name):
            networks.setdefault(network, set()).add(name)
    assert networks.pop("purse") == {"shops"}, "the wallet is there with it, and in no cluster"
    assert networks.keys() == {"front", "acquiring", "scheme", "cde", "vault", "ledger"}
    together = {frozenset(pair) for members in networks.values() for pair in combinations(members, 2)}

    joined = {frozenset((arrow.source, arrow.target)) for arrow in arrows(local, ())}

    # In compose spans go to the collector by a socket in a volume; here by TCP.
    by_socket = {frozenset((name, "collector")) for name in ("acquirer", "network", "issuer")}
    assert joined == together | by_socket
    assert not by_socket & together


def test_only_network_tsp_and_issuer_reach_into_the_cardholder_data_environment(local: list[Document]) -> None:
    inside = {"network", "tsp", "issuer", "vault", "ledger"}
    into = {arrow for arrow in arrows(local, OUTSIDERS) if arrow.target in inside and arrow.source not in inside}
    # The network is asked by the acquirer and the TSP by those who tokenise; nobody else, and no store.
    asked = {("acquirer", "network"), ("merchant", "tsp"), ("demo", "tsp")}
    assert {(arrow.source, arrow.target) for arrow in into} == asked


def test_where_the_stores_are_outside_each_is_reached_by_its_own_users(scaled: list[Document]) -> None:
    stores = {
        "shops": Place("shops", address="192.0.2.7"),
        "vault": Place("vault", address="198.51.100.7"),
        "ledger": Place("ledger", address="203.0.113.7"),
    }
    expected = {Arrow(user, store, REDIS) for store, its in users().items() for user in its}
    assert arrows(scaled, (*OUTSIDERS, *stores.values())) == addresses_given(scaled) | expected


def test_without_any_policy_everybody_reaches_everybody(local: list[Document]) -> None:
    without = [document for document in local if document["kind"] != "NetworkPolicy"]
    count = len(places([*without, demo()]))
    assert len(arrows(without, ())) == count * (count - 1) * len(DOORS)


def test_no_policy_is_there_in_vain(local: list[Document]) -> None:
    """Without any one of them, others reach each other than should. So the evaluation sees every one of them."""
    as_it_is = arrows(local, OUTSIDERS)
    policies = of_kind(local, "NetworkPolicy")
    assert len(policies) == 15
    for policy in policies:
        without = [document for document in local if document is not policy]
        assert arrows(without, OUTSIDERS) != as_it_is, policy["metadata"]["name"]


def test_a_namespace_is_known_by_the_label_that_the_policies_use(local: list[Document]) -> None:
    (names,) = [one for one in of_kind(local, "NetworkPolicy") if one["metadata"]["name"] == "names"]
    (peer,) = names["spec"]["egress"][0]["to"]
    assert peer["namespaceSelector"]["matchLabels"] == {NAMESPACE_NAME: NAMES.namespace}


@pytest.mark.parametrize(
    "spec",
    [
        {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [], "ports": [], "except": []}]},
        {"podSelector": {"matchFields": {}}, "policyTypes": ["Ingress"]},
        {
            "podSelector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]},
            "policyTypes": ["Ingress"],
        },
    ],
)
def test_what_the_evaluation_does_not_understand_it_does_not_judge(spec: Document) -> None:
    policy = {"metadata": {"name": "odd", "namespace": "cardnet"}, "spec": spec}
    with pytest.raises(NotImplementedError):
        Policies([policy]).let_through(STRANGER, Place("target", {"a": "b"}, "cardnet"), DOORS)
