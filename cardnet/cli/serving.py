"""What `cardnet up` does from start to end: it says what there is, and watches it."""

import asyncio
import os
import signal

from cardnet.cli.deaf import warn_of_deaf
from cardnet.cli.network_table import show_network
from cardnet.cli.terminal import Terminal, progress
from cardnet.cli.words import command_name, complain, print_json
from cardnet.console.commands import Commands
from cardnet.embedded_store import EmbeddedStore
from cardnet.testing import LocalNetwork

AFTER_CTRL_C_S = 0.3
"""A terminal's Ctrl-C reaches the services too: one that ends by it has not failed, even if we hear of it first."""

STORE_LOOK_S = 0.5
"""How long at a time we wait for the store to end: Ctrl-C waits as long at the most."""


async def until_told_to_stop(network: LocalNetwork, header: str, json_: bool) -> None:
    """Start the network, say where everything is, and stop it when this process is told to.

    header: the line above everything. json_: whether programs read what is said.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    told = asyncio.create_task(stop.wait())
    # Ctrl-C may come while everything is still starting.
    serving = asyncio.create_task(_serve(network, header, json_))
    await asyncio.wait((told, serving), return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if not serving.done():
        serving.cancel()
    await asyncio.gather(serving, return_exceptions=stop.is_set())


async def _serve(network: LocalNetwork, header: str, json_: bool) -> None:
    with progress("starting the store and five services …"):
        await network.start()
    try:
        if json_:
            print_json(_document(network))
        else:
            await _show(network, header, Terminal())
        async with asyncio.TaskGroup() as watching:
            for name in network.processes:
                watching.create_task(_watch(network, name))
            if network.processes:  # in one process, what the services log is on the screen
                watching.create_task(warn_of_deaf(os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")))
            if network.store:
                watching.create_task(_watch_store(network.store))
            watching.create_task(asyncio.Event().wait())
    finally:
        await network.stop()


async def _show(network: LocalNetwork, header: str, terminal: Terminal) -> None:
    terminal.say(header)
    await show_network(network, terminal)
    if network.identities:
        terminal.say("  identities ", network.identities, ("  for clients of your own, with mutual TLS", "dim"))
    if network.processes:
        terminal.say(
            "  logs       ", str(network.processes["merchant"].log.parent), ("  what each service says", "dim")
        )
    terminal.say()
    terminal.say(("Ready.", "bold green"), "  Ctrl-C stops everything. In another terminal:")
    terminal.commands("  ", _next(network))


async def _watch(network: LocalNetwork, name: str) -> None:
    """Say so when a service ends by itself. The others go on: that, too, is something to look at."""
    process, starts = network.processes[name], 0
    while True:
        starts = await process.started_again(starts)
        ended = await process.ended()
        if process.state != "ended":  # somebody stopped it on the console, or started it again
            continue
        await asyncio.sleep(AFTER_CTRL_C_S)
        complain(f"the {name} ended ({ended}); the others go on without it. To have it back, {_again(network)}")


def _again(network: LocalNetwork) -> str:
    if network.disturbed and network.console_origin:
        return f"start it at {network.console_origin}/topology"
    return "stop everything with Ctrl-C and start again"


async def _watch_store(store: EmbeddedStore) -> None:
    """Say so when the store ends by itself, as it does when it cannot write: a full disk, for one."""
    while not await asyncio.to_thread(store.process.ended, STORE_LOOK_S):
        pass
    complain(
        f"the store ended; it said: {store.last_words()}. Nothing is approved without it. "
        "Stop everything with Ctrl-C, see to the cause, start again"
    )


def _next(network: LocalNetwork) -> list[tuple[str, str]]:
    name, merchant, tsp = command_name(), network.addresses["merchant"], network.addresses["tsp"]
    commands = Commands.at(merchant, tsp, network.collector_address, name)
    pages = [(network.console_origin, "the console: every authorisation, step by step")]
    pages += [(network.origins["merchant"], "the shop")] if network.origins else []
    return [
        *(page for page in pages if page[0]),
        (commands.pay(), "a payment"),
        (commands.pay("insufficient-funds"), "one that is refused"),
        (commands.trace(), "the latest; with an ID, its steps"),
        (commands.tokens("list"), "the tokens, to be suspended, deleted …"),
        (f"{name} cards", "all test cards"),
    ]


def _document(network: LocalNetwork) -> dict[str, object]:
    return {
        "ready": True,
        "services": dict(network.addresses),
        "admin": dict(network.admin_addresses),
        "collector": network.collector_address,
        "otlp_http": network.otlp_http_address,
        "identities": network.identities,
        "web": dict(network.origins),
        "console": network.console_origin,
        "pids": {name: process.pid for name, process in network.processes.items()},
        "store_pid": network.store.process.pid if network.store else None,
    }
