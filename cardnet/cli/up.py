"""`cardnet up`: a whole network in the foreground, until Ctrl-C."""

import asyncio
import os
from pathlib import Path
from typing import Literal

import click

from cardnet.cli.words import (
    as_json,
    checked_domain,
    checked_origin,
    checked_time,
    warn,
)
from cardnet.errors import InvalidField
from cardnet.identity import MERCHANT, PROGRAMS, TRUST_DOMAIN, WALLET

PLAIN = (
    "INSECURE: plain text, no certificates. Everybody on this machine may be the network and learn every card number. "
    "Leave --insecure away for mutual TLS"
)

PORT_BASE, WEB_PORT, CONSOLE_PORT = 50_051, 8750, 8753
"""Where merchant, shop and console are unless it is said; shop and console move as the merchant does."""


@click.command(short_help="Run all five services until Ctrl-C.")
@click.option("--single-process", is_flag=True, help="All services in one process: twice the payments a second.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Keep accounts, tokens and traces here.")
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
    "--otlp-http-port",
    type=click.IntRange(0, 65_535),
    metavar="PORT",
    help="Where OTLP comes in over HTTP. 0: any free one.  [default: the one after --otlp-port]",
)
@click.option(
    "--web-port",
    type=click.IntRange(0, 65_533),
    metavar="PORT",
    help="The shop's port; token service, wallet follow. 0: any free ones.  [default: 8750, moved as --port-base is]",
)
@click.option("--no-web", is_flag=True, help="No shop, no token service and no wallet for browsers.")
@click.option(
    "--console-port",
    type=click.IntRange(0, 65_535),
    metavar="PORT",
    help="The console's port. 0: any free one.  [default: 8753, moved as --port-base is]",
)
@click.option("--no-console", is_flag=True, help="No pages on which authorisations are looked at.")
@click.option("--faults", is_flag=True, help="Let services be stopped and calls be disturbed, on the console.")
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
    otlp_http_port: int | None,
    identities: Path | None,
    trust_domain: str,
    insecure: bool,
    no_admin: bool,
    web_port: int | None,
    no_web: bool,
    console_port: int | None,
    no_console: bool,
    faults: bool,
    shop_origins: tuple[str, ...],
    json_: bool,
) -> None:
    """Run merchant, acquirer, network, token service provider and issuer in the foreground, with their store and a
    collector of traces, until Ctrl-C.

    All data are gone afterwards, unless --data-dir keeps them. CARDNET_ISSUER_REDIS_URL and its like for each service
    put a store of your own (Redis 7 or later) in place of the bundled one. CARDNET_TRACING=off records nothing.
    """
    checked_time("frozen-at", frozen_at)
    checked_domain("trust-domain", trust_domain)
    for origin in shop_origins:
        checked_origin("shop-origin", origin)
    if data_dir:
        _make(data_dir)

    from cardnet.cli.serving import until_told_to_stop
    from cardnet.server import collect_seldom
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
        otlp_http_port=_after(otlp_port) if otlp_http_port is None else otlp_http_port,
        redis_urls={name: url for name in PROGRAMS if (url := os.environ.get(f"CARDNET_{name.upper()}_REDIS_URL"))},
        settings=_recording(),
        insecure=insecure,
        identities=identities,
        trust_domain=trust_domain,
        admin=not no_admin,
        web=not no_web and (identities is None or _has_wallet(identities)),
        web_port_base=_beside(WEB_PORT, port_base) if web_port is None else web_port,
        shop_origins=shop_origins,
        console=not no_console,
        console_port=_beside(CONSOLE_PORT, port_base) if console_port is None else console_port,
        faults=faults,
        roster=True,
    )
    if insecure:
        warn(PLAIN)
    shown_clock = frozen_at or ("" if clock == "real" else clock)
    collect_seldom()
    asyncio.run(until_told_to_stop(network, _header(seed, shown_clock), json_))


def _recording() -> dict[str, dict[str, str]]:
    """Which services record and which do not, as far as the environment says: by their own variable, else by all's."""
    common = os.environ.get("CARDNET_TRACING")
    said = {name: os.environ.get(f"CARDNET_{name.upper()}_TRACING") or common for name in PROGRAMS}
    return {name: {"tracing": value} for name, value in said.items() if value}


def _has_wallet(identities: Path) -> bool:
    """Whether somebody's own identities have one for the wallet, without which there are no pages."""
    found = (identities / WALLET).is_dir()
    if not found and (identities / MERCHANT).is_dir():
        warn(f"no pages for browsers: {identities} has no identity {WALLET} (cardnet certs makes one)")
    return found


def _beside(usual: int, port_base: int) -> int:
    """A page's port beside a merchant's: two networks whose merchants are apart keep their pages apart, too."""
    port = usual + port_base - PORT_BASE
    return port if port_base and 1024 <= port <= 65_533 else 0


def _after(otlp_port: int) -> int:
    """The port of OTLP over HTTP beside that of OTLP over gRPC: 4318 beside 4317, as everybody has them."""
    return otlp_port + 1 if 0 < otlp_port < 65_535 else 0


def _make(data_dir: Path) -> None:
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise InvalidField("data-dir", "must be a directory, or the name of a new one") from None


def _header(seed: str, clock: str) -> str:
    from cardnet.cli.network_table import header

    return header(seed, clock)
