"""The console beside a collector whose services run elsewhere, such as in containers: to look, and not to act."""

from collections.abc import Mapping

from cardnet.asked_health import health
from cardnet.certificates import Identity
from cardnet.console.commands import Commands
from cardnet.console.site import Console
from cardnet.console.topology import Stores, Topology
from cardnet.steps import SERVICES
from cardnet.traces.archive import Archive

UNASKED = "known by its calls"
"""The state of a service that cannot be reached from here: a network for each pair is what keeps them apart."""

COMMANDS = Commands(
    to_pay=" --identities ./cardholder",
    to_trace=" --identities ./cardholder",
    to_act=None,  # what finds an operator's door is a network that `cardnet up` started
)
"""As docs/containers.md has them: the cardholder's identity is copied out of its volume first."""


def console_of(archive: Archive, places: Mapping[str, str], as_: Identity | str) -> Console:
    """The console of what is collected. places: host:port of the services that may be asked how they are; as whom."""
    topology = Topology(
        archive,
        SERVICES,
        lambda name: health(name, places[name], as_),
        lambda name: "running" if name in places else UNASKED,
        Stores("Their stores are not looked at from here: a service that says that it serves reaches its own."),
    )
    return Console(archive, topology=topology, commands=COMMANDS)
