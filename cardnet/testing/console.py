"""What the console of a local network looks at, and what may be done there."""

from typing import TYPE_CHECKING

from cardnet.console.commands import Commands
from cardnet.console.levers import Levers
from cardnet.console.served import ServedConsole
from cardnet.console.site import Console
from cardnet.console.token_desk import TokenDesk
from cardnet.console.topology import Stores, Topology
from cardnet.testing.wiring import Wiring

if TYPE_CHECKING:
    from cardnet.testing.network import LocalNetwork


def served(network: "LocalNetwork", wiring: Wiring, listen: str) -> ServedConsole:
    """The console of a network that runs, to be opened at host:port."""
    addresses, processes = network.addresses, network.processes
    topology = Topology(
        network.collector.archive,
        tuple(addresses),
        network.health,
        lambda name: processes[name].state if name in processes else "running",
        _stores(network, wiring),
    )
    acting = bool(network.admin_addresses)
    console = Console(
        network.collector.archive,
        topology=topology,
        levers=Levers(network.faults, processes) if network.disturbed else None,
        tokens=TokenDesk(network.channel) if acting else None,
        commands=Commands.at(addresses["merchant"], addresses["tsp"], network.collector_address, acting=acting),
    )
    return ServedConsole(console, listen)


def _stores(network: "LocalNetwork", wiring: Wiring) -> Stores:
    store = network.store
    if store is None:
        return Stores("Each service keeps its data in the store that was set for it.")
    elsewhere = [name for name, url in wiring.store_urls.items() if url != store.url(name)]
    but = f"; {', '.join(elsewhere)}: in the store that was set" if elsewhere else ""
    return Stores(
        f"There is one store, with a user for each service, who sees no other's keys{but}.",
        store.server,
        lambda: store.state,
    )
