"""A network in which each service has several instances: processes over one store, whose callers ask them in turn."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from cardnet.authority import Registry
from cardnet.embedded_store import EmbeddedStore
from cardnet.env import Clock
from cardnet.steps import SERVICES
from cardnet.testing import RemoteNetwork
from cardnet.testing.ports import Ports
from cardnet.testing.processes import ServiceProcess
from cardnet.testing.wiring import Wiring


@dataclass
class Fleet:
    """The instances of each service, and a way to pay there."""

    instances: dict[str, list[ServiceProcess]]
    network: RemoteNetwork
    store: EmbeddedStore


@asynccontextmanager
async def sailing(count: int, settings: Mapping[str, Mapping[str, str]] | None = None) -> AsyncIterator[Fleet]:
    """A fleet with so many instances of each service. (It has no collector: what becomes of payments is asked.)

    settings: more settings of a service, as for LocalNetwork.
    """
    ports = Ports()
    with TemporaryDirectory() as folder, EmbeddedStore.start(None, SERVICES) as store:
        identities = Path(folder, "identities")
        Registry(identities, Clock()).issue()
        listening = {name: [ports.take() for _ in range(count)] for name in SERVICES}
        asked = {name: "ipv4:" + ",".join(addresses) for name, addresses in listening.items()}
        urls = {name: store.url(name) for name in SERVICES}
        extra = {name: dict((settings or {}).get(name, {})) for name in SERVICES}
        extra["tsp"] |= {"kek_file": f"{folder}/kek", "kek_file_create": "1", "audit_file": f"{folder}/audit"}
        extra["issuer"] |= {"keys_file": f"{folder}/keys"}
        instances: dict[str, list[ServiceProcess]] = {name: [] for name in SERVICES}
        for name, addresses in listening.items():
            for number, address in enumerate(addresses):
                own = {name: {**extra[name], "listen": address}}
                wiring = Wiring(addresses=asked, store_urls=urls, identities=str(identities), extra=own)
                log = Path(folder, f"{name}-{number}.log")
                instances[name].append(ServiceProcess(name, wiring.settings(name), log))
        everyone = [process for some in instances.values() for process in some]
        try:
            await asyncio.gather(*(process.start() for process in everyone))
            async with RemoteNetwork(asked, identities) as network:
                yield Fleet(instances, network, store)
        finally:
            await asyncio.gather(*(process.stop() for process in everyone))
            ports.release()
