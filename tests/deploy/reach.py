"""Who reaches whom under NetworkPolicies: what a network plug-in is to make of them, in few lines.

It knows what our policies say and no more: at anything else it stops, rather than to judge what it does not understand.
"""

from collections.abc import Mapping, Sequence, Set
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

Document = Mapping[str, Any]

NAMESPACE_NAME = "kubernetes.io/metadata.name"
"""The label that every namespace has."""


class Place(NamedTuple):
    """A pod; or an address outside, which has no labels and no namespace."""

    name: str
    labels: Mapping[str, str] = {}
    namespace: str = ""
    address: str = ""


class Door(NamedTuple):
    """Where one knocks."""

    protocol: str
    port: int


class Policies:
    """The policies of a namespace."""

    def __init__(self, policies: Sequence[Document]) -> None:
        self._policies = policies

    def let_through(self, source: Place, target: Place, doors: Set[Door]) -> Set[Door]:
        """The doors at which a connection comes about: the source may send it, and the target may receive it."""
        return self.may_send(source, target, doors) & self.may_receive(source, target, doors)

    def may_send(self, source: Place, target: Place, doors: Set[Door]) -> Set[Door]:
        """What the policies of the source permit."""
        return self._permitted("Egress", "to", source, target, doors)

    def may_receive(self, source: Place, target: Place, doors: Set[Door]) -> Set[Door]:
        """What the policies of the target permit."""
        return self._permitted("Ingress", "from", target, source, doors)

    def _permitted(self, direction: str, side: str, pod: Place, other: Place, doors: Set[Door]) -> Set[Door]:
        rules = self._rules(direction, pod)
        if rules is None:
            return doors
        return doors & {_door(port) for rule in rules if _meant(rule, side, pod, other) for port in rule["ports"]}

    def _rules(self, direction: str, pod: Place) -> Sequence[Document] | None:
        """The rules for a pod; None where no policy selects it, and it may do as it likes."""
        selecting = [policy["spec"] for policy in self._policies if _selects(policy, pod)]
        meant = [spec for spec in selecting if direction in spec["policyTypes"]]
        return [rule for spec in meant for rule in spec.get(direction.lower(), ())] if meant else None


def _selects(policy: Document, pod: Place) -> bool:
    _known(policy["spec"], "podSelector", "policyTypes", "ingress", "egress")
    return pod.namespace == policy["metadata"]["namespace"] and _matches(policy["spec"]["podSelector"], pod.labels)


def _meant(rule: Document, side: str, pod: Place, other: Place) -> bool:
    # A rule without peers or ports would be for all of them: ours name both, always.
    _known(rule, side, "ports")
    return any(_peer(peer, pod.namespace, other) for peer in rule[side])


def _peer(peer: Document, namespace: str, other: Place) -> bool:
    _known(peer, "podSelector", "namespaceSelector", "ipBlock")
    if "ipBlock" in peer:
        _known(peer["ipBlock"], "cidr")
        return bool(other.address) and ip_address(other.address) in ip_network(peer["ipBlock"]["cidr"])
    if not other.namespace:
        return False
    if "namespaceSelector" in peer:
        inside = _matches(peer["namespaceSelector"], {NAMESPACE_NAME: other.namespace})
    else:
        inside = other.namespace == namespace
    return inside and _matches(peer["podSelector"], other.labels)


def _door(port: Document) -> Door:
    _known(port, "protocol", "port")
    return Door(port["protocol"], int(port["port"]))


def _matches(selector: Document, labels: Mapping[str, str]) -> bool:
    _known(selector, "matchLabels", "matchExpressions")
    same = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return same and all(_holds(expression, labels) for expression in selector.get("matchExpressions", ()))


def _holds(expression: Document, labels: Mapping[str, str]) -> bool:
    if expression["operator"] != "In":
        raise NotImplementedError(expression["operator"])
    return labels.get(expression["key"]) in expression["values"]


def _known(part: Document, *names: str) -> None:
    if not part.keys() <= set(names):
        raise NotImplementedError(f"a policy says {sorted(part.keys() - set(names))}")
