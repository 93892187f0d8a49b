"""The table of a network that runs: what listens where, and how it is."""

import asyncio

from rich.text import Text

from cardnet import __version__
from cardnet.asked_health import health
from cardnet.card import CARD_RANGES
from cardnet.cli.terminal import Terminal
from cardnet.identity import CARDHOLDER
from cardnet.steps import SERVICES
from cardnet.test_cards import TEST_CARDS
from cardnet.testing import LocalNetwork
from cardnet.v1.token_service_pb2 import GetEncryptionKeyRequest
from cardnet.v1.token_service_pb2_grpc import TokenServiceStub

_FACES = (
    ("merchant", "shop", "open it in a browser"),
    ("tsp", "token service", "makes cards typed there tokens"),
    ("wallet", "wallet", "pays by the Payment Request API"),
)


def header(seed: str, clock: str) -> str:
    """The line above everything. clock: where it stands, or "simulated"; empty for the real one."""
    known = [f"cardnet {__version__}", f"seed {seed}" if seed else "", f"clock {clock}" if clock else ""]
    return " · ".join((*filter(None, known), "for tests only, never a real card"))


async def show_network(network: LocalNetwork, terminal: Terminal) -> None:
    """Print a line for the store, each service, the collector and each page. Every service is asked how it is."""
    as_ = network.presented(CARDHOLDER)
    states = await asyncio.gather(*(health(name, network.addresses[name], as_) for name in SERVICES))
    key = await network.stub(TokenServiceStub, "tsp").GetEncryptionKey(GetEncryptionKeyRequest())
    facts = {
        "network": f"{len(CARD_RANGES)} card ranges",
        "tsp": f"encryption key {key.key_id[:8]}",
        "issuer": f"{len(TEST_CARDS)} test cards",
    }
    lines = [_store(network)]
    for name, state in zip(SERVICES, states, strict=True):
        shown = Text.assemble((state, "green" if state == "SERVING" else "bold red"))
        if name in facts:
            shown.append(f" · {facts[name]}")
        lines.append((f"  {name}", network.addresses[name], shown))
    lines.append(("  collector", network.collector_address, Text("OTLP/gRPC in, `cardnet trace` out")))
    if network.otlp_http_address:
        lines.append(("", network.otlp_http_address, Text("OTLP/HTTP in: /v1/traces")))
    if network.console_origin:
        lines.append(("  console", network.console_origin, Text(_seen_there(network))))
    lines += [(f"  {name}", network.origins[of], Text(what)) for of, name, what in _FACES if network.origins]
    terminal.table((), lines)


def _seen_there(network: LocalNetwork) -> str:
    # In a terminal of 80 columns it is to stay one line.
    return "authorisations · fault switches: /topology" if network.disturbed else "every authorisation, step by step"


def _store(network: LocalNetwork) -> tuple[str, str, Text]:
    if network.store is None:
        return "  store", "as set", Text("a store of yours for each service")
    return "  store", "unix socket", Text(f"{network.store.server} · AOF always · a user each")
