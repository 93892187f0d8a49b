"""A child process that keeps what is measured running: `python -m bench.host ROW`.

It says on one line of JSON where to ask and which processes to watch, and ends when its standard input does. Only the
row without a front makes its own load, and answers each line of JSON with another; the others are asked from outside.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvloop

from bench.child import Child
from bench.load import Purchases, measure
from bench.samples import CARD_ON_FILE_ID
from cardnet.embedded_store import EmbeddedStore
from cardnet.identity import CARDHOLDER, NEIGHBOURS
from cardnet.server import collect_seldom
from cardnet.steps import SERVICES
from cardnet.testing import LocalNetwork
from cardnet.testing.ports import Ports
from cardnet.testing.running import Processes
from cardnet.testing.wiring import Wiring
from cardnet.v1.merchant_pb2_grpc import MerchantStub

ACCOUNTS = 64
"""Customers, each with a card, so that no account is asked twice at once."""

LASTING = {name: {"connection_age_s": "86400"} for name in SERVICES}
"""The bench's own client keeps to one connection for all of a run."""

BALANCE = "9000000.00 USD"


async def five() -> None:
    """Five processes over gRPC, and here the collector that takes their spans."""
    async with LocalNetwork(settings=LASTING) as network:
        services = [process.pid for process in network.processes.values()]
        _tell(network.addresses["merchant"], services, await new_cards(network), network, collector=[os.getpid()])
        await _answer_questions(None)
        _complain_of_dropped(network)


async def single() -> None:
    """All five in this process, with fronts, as `cardnet up --single-process` runs them."""
    collect_seldom()
    async with LocalNetwork(in_process=True, fronts=True, settings=LASTING) as network:
        _tell(network.addresses["merchant"], [os.getpid()], await new_cards(network), network)
        await _answer_questions(None)
        _complain_of_dropped(network)


async def inside() -> None:
    """All five in this process, with the load beside them: no gRPC at all."""
    async with LocalNetwork(in_process=True) as network:
        cards = await new_cards(network)
        processes = {"services": [os.getpid()], "store": _store(network)}
        merchant, purchases = MerchantStub(network.channel("merchant")), Purchases(cards)

        async def load(question: dict[str, Any]) -> dict[str, Any]:
            sample = await measure(merchant.Checkout, purchases, processes=processes, **question)
            return asdict(sample)

        _tell("", [os.getpid()], cards, network)
        await _answer_questions(load)
        _complain_of_dropped(network)


async def empty() -> None:
    """Five processes that relay the same messages and do nothing else."""
    async with _empty_chain() as (address, services):
        _say({"address": address, "identity": "", "processes": {"services": services}, "cards": [CARD_ON_FILE_ID]})
        await _answer_questions(None)


async def start() -> None:
    """No load: how long a start takes, in seconds."""
    # Five services alone: store and ports are there before the clock runs, and it stops at the fifth "ready".
    ports = Ports()
    with TemporaryDirectory() as folder, EmbeddedStore.start(None, SERVICES) as store:
        addresses = {name: ports.take() for name in SERVICES}
        wiring = Wiring(addresses=addresses, store_urls={name: store.url(name) for name in SERVICES})
        processes = Processes(wiring, Path(folder))
        began = time.perf_counter()
        await processes.start()
        services_s = time.perf_counter() - began
        await processes.stop()
    ports.release()

    # And all that a test waits for: store, collector, ports and services.
    began = time.perf_counter()
    async with LocalNetwork():
        network_s = time.perf_counter() - began
    _say({"services_s": services_s, "network_s": network_s})


async def new_cards(network: LocalNetwork) -> list[str]:
    """What the shop calls the cards of its new customers."""
    cards = []
    for number in range(ACCOUNTS):
        account = await network.open_account(BALANCE)
        cards.append((await network.save_card(account, f"customer-{number}")).id)
    return cards


@asynccontextmanager
async def _empty_chain() -> AsyncIterator[tuple[str, list[int]]]:
    """The empty chain; gives the merchant's address and the process ids."""
    addresses: dict[str, str] = {}
    children: list[Child] = []
    for name in reversed(SERVICES):  # whoever is asked starts before whoever asks
        neighbours = [f"{neighbour}={addresses[neighbour]}" for neighbour in NEIGHBOURS[name]]
        child = await Child.start("bench.empty", name, *neighbours)
        children.append(child)
        port = (await child.hear()).removeprefix("ready ")
        addresses[name] = f"127.0.0.1:{port}"
    yield addresses["merchant"], [child.pid for child in children]
    for child in children:
        await child.end()


def _tell(
    address: str, services: list[int], cards: list[str], network: LocalNetwork, collector: list[int] | None = None
) -> None:
    processes = {"services": services, "store": _store(network)}
    if collector:
        processes["collector"] = collector
    shown = network.presented(CARDHOLDER)
    folder = "" if isinstance(shown, str) else str(shown.folder)
    _say({"address": address, "identity": folder, "processes": processes, "cards": cards})


def _store(network: LocalNetwork) -> list[int]:
    return [network.store.process.pid] if network.store else []


async def _answer_questions(answer: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]] | None) -> None:
    """Answer line by line until standard input ends."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        if answer:
            _say(await answer(json.loads(line)))


def _complain_of_dropped(network: LocalNetwork) -> None:
    if network.collector.archive.dropped_by:
        print(f"bench: spans were dropped: {network.collector.archive.dropped_by}", file=sys.stderr)


def _say(facts: dict[str, Any]) -> None:
    print(json.dumps(facts), flush=True)


HOSTED = {"five": five, "single": single, "inside": inside, "empty": empty, "start": start}

if __name__ == "__main__":
    uvloop.run(HOSTED[sys.argv[1]]())
