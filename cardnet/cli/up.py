"""`cardnet up`: a whole network in the foreground, until Ctrl-C."""

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from cardnet.cli.words import (
    as_json,
    checked_domain,
    checked_origin,
    checked_time,
    command_name,
    complain,
    print_json,
    warn,
)
from cardnet.errors import InvalidField
from cardnet.identity import MERCHANT, PROGRAMS, TRUST_DOMAIN, WALLET

if TYPE_CHECKING:
    from cardnet.cli.terminal import Terminal
    from cardnet.embedded_store import EmbeddedStore
    from cardnet.testing import LocalNetwork

PLAIN = (
    "INSECURE: plain text, no certificates. Everybody on this machine may be the network and learn every card number. "
    "Leave --insecure away for mutual TLS"
)

AFTER_CTRL_C_S = 0.3
"""A terminal's Ctrl-C reaches the services too: one that ends by it has not failed, even if we hear of it first."""

PORT_BASE, WEB_PORT = 50_051, 8750
"""Where merchant and shop are unless it is said; the shop moves as the merchant does."""

STORE_LOOK_S = 0.5
"""How long at a time we wait for the store to end: Ctrl-C waits as long at the most."""


@click.command(short_help="Run all five services until Ctrl-C.")
@click.option("--single-process", is_flag=True, help="All services in one process: twice the payments a second.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Keep accounts and tokens here.")
@click.option("--seed", default="", help="The same seed gives the same tokens and identifiers.")
@click.option("--frozen-at", default="", metavar="TIME", help="Stop the clock, such as at 2026-01-15T09:00:00Z.")
@click.option(
    "--clock",
    type=click.Choice(("real", "simulated")),
    default="real",
    show_default=True,
    help="A simulated one runs, and `cardnet clock advance` moves it on; so it does one that is stopped.",
)
@click.option(
    "--port-base",
    type=click.IntRange(0, 65_531),
    default=PORT_BASE,
    show_default=True,
    metavar="PORT",
    help="The merchant's port; acquirer, network, tsp and issuer follow. 0 for any free ones.",
)
@click.option("--otlp-port", type=click.IntRange(0, 65_535), default=4317, show_default=True, metavar="PORT")
@click.option(
    "--web-port",
    type=click.IntRange(0, 65_533),
    metavar="PORT",
    help="The shop's port; token service, wallet follow. 0: any free ones.  [default: 8750, moved as --port-base is]",
)
@click.option("--no-web", is_flag=True, help="No shop, no token service and no wallet for browsers.")
@click.option(
    "--shop-origin",
    "shop_origins",
    multiple=True,
    metavar="ORIGIN",
    help="Of a shop of yours, such as http://localhost:3000: its pages may have cards made tokens.",
)
@click.option(
    "--identities",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="FOLDER",
    help="Certificates of your own, a folder for each name (see `cardnet certs`); else they are made for this run.",
)
@click.option(
    "--trust-domain", default=TRUST_DOMAIN, show_default=True, metavar="DOMAIN", help="Of the SPIFFE IDs in them."
)
@click.option("--insecure", is_flag=True, help="Plain text, and callers are believed who they are. Loopback alone.")
@click.option("--no-admin", is_flag=True, help="Let no operator in: `cardnet tokens` and the like cannot ask.")
@as_json
def up(
    single_process: bool,
    data_dir: Path | None,
    seed: str,
    frozen_at: str,
    clock: Literal["real", "simulated"],
    port_base: int,
    otlp_port: int,
    identities: Path | None,
    trust_domain: str,
    insecure: bool,
    no_admin: bool,
    web_port: int | None,
    no_web: bool,
    shop_origins: tuple[str, ...],
    json_: bool,
) -> None:
    """Run merchant, acquirer, network, token service provider and issuer in the foreground, with their store and a
    collector of traces, until Ctrl-C.

    All data are gone afterwards, unless --data-dir keeps them. CARDNET_ISSUER_REDIS_URL and its like for each service
    put a store of your own (Redis 7 or later) in place of the bundled one.
    """
    checked_time("frozen-at", frozen_at)
    checked_domain("trust-domain", trust_domain)
    for origin in shop_origins:
        checked_origin("shop-origin", origin)
    if data_dir:
        _make(data_dir)

    from cardnet.testing import LocalNetwork

    network = LocalNetwork(
        in_process=single_process,
        fronts=single_process,
        data_dir=data_dir,
        seed=seed,
        frozen_at=frozen_at,
        clock=clock,
        port_base=port_base,
        collector_port=otlp_port,
        redis_urls={name: url for name in PROGRAMS if (url := os.environ.get(f"CARDNET_{name.upper()}_REDIS_URL"))},
        insecure=insecure,
        identities=identities,
        trust_domain=trust_domain,
        admin=not no_admin,
        web=not no_web and (identities is None or _has_wallet(identities)),
        web_port_base=_web_port(port_base) if web_port is None else web_port,
        shop_origins=shop_origins,
        roster=True,
    )
    if insecure:
        warn(PLAIN)
    shown_clock = frozen_at or ("" if clock == "real" else clock)
    asyncio.run(_until_told_to_stop(network, _header(seed, shown_clock), json_))


def _has_wallet(identities: Path) -> bool:
    """Whether somebody's own identities have one for the wallet, without which there are no pages."""
    found = (identities / WALLET).is_dir()
    if not found and (identities / MERCHANT).is_dir():
        warn(f"no pages for browsers: {identities} has no identity {WALLET} (cardnet certs makes one)")
    return found


def _web_port(port_base: int) -> int:
    """The shop's port beside a merchant's: two networks whose merchants are apart keep their shops apart, too."""
    port = WEB_PORT + port_base - PORT_BASE
    return port if port_base and 1024 <= port <= 65_533 else 0


def _make(data_dir: Path) -> None:
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise InvalidField("data-dir", "must be a directory, or the name of a new one") from None


def _header(seed: str, clock: str) -> str:
    from cardnet.cli.network_table import header

    return header(seed, clock)


async def _until_told_to_stop(network: "LocalNetwork", header: str, json_: bool) -> None:
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


async def _serve(network: "LocalNetwork", header: str, json_: bool) -> None:
    from cardnet.cli.terminal import Terminal, progress

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
            if network.store:
                watching.create_task(_watch_store(network.store))
            watching.create_task(asyncio.Event().wait())
    finally:
        await network.stop()


async def _show(network: "LocalNetwork", header: str, terminal: "Terminal") -> None:
    from cardnet.cli.network_table import show_network

    terminal.say(header)
    await show_network(network, terminal)
    if network.identities:
        terminal.say("  identities ", network.identities, ("  for clients of your own, with mutual TLS", "dim"))
    terminal.say()
    terminal.say(("Ready.", "bold green"), "  Ctrl-C stops everything. In another terminal:")
    terminal.commands("  ", _next(network))


async def _watch(network: "LocalNetwork", name: str) -> None:
    """Say so when a service ends by itself. The others go on: that, too, is something to look at."""
    ended = await network.processes[name].ended()
    await asyncio.sleep(AFTER_CTRL_C_S)
    complain(
        f"the {name} ended ({ended}); the others go on without it. "
        "To have it back, stop everything with Ctrl-C and start again"
    )


async def _watch_store(store: "EmbeddedStore") -> None:
    """Say so when the store ends by itself, as it does when it cannot write: a full disk, for one."""
    while not await asyncio.to_thread(store.process.ended, STORE_LOOK_S):
        pass
    complain(
        f"the store ended; it said: {store.last_words()}. Nothing is approved without it. "
        "Stop everything with Ctrl-C, see to the cause, start again"
    )


def _next(network: "LocalNetwork") -> list[tuple[str, str]]:
    name, merchant, tsp = command_name(), network.addresses["merchant"], network.addresses["tsp"]
    usual = (merchant, tsp, network.collector_address) == ("127.0.0.1:50051", "127.0.0.1:50054", "127.0.0.1:4317")
    to = "" if usual else f" --merchant {merchant} --tsp {tsp}"
    at = "" if usual else f" --collector {network.collector_address}"
    of = "" if usual else f" --network {merchant.rpartition(':')[2]}"
    shop = [(network.origins["merchant"], "the shop, in a browser")] if network.origins else []
    return [
        *shop,
        (f"{name} pay --card approved --amount 12.40{to}", "a payment"),
        (f"{name} pay --card insufficient-funds --amount 12.40{to}", "one that is refused"),
        (f"{name} trace{at}", "the latest; with an ID, its steps"),
        (f"{name} tokens list{of}", "the tokens, to be suspended, deleted …"),
        (f"{name} cards", "all test cards"),
    ]


def _document(network: "LocalNetwork") -> dict[str, object]:
    return {
        "ready": True,
        "services": dict(network.addresses),
        "admin": dict(network.admin_addresses),
        "collector": network.collector_address,
        "identities": network.identities,
        "web": dict(network.origins),
        "pids": {name: process.pid for name, process in network.processes.items()},
        "store_pid": network.store.process.pid if network.store else None,
    }
