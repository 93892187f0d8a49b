"""`cardnet certs`: identities for a network, made anew by an authority whose key is then gone."""

import asyncio
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cardnet.cli.words import as_json, checked_domain, print_json
from cardnet.errors import InvalidField
from cardnet.identity import NAMES, TRUST_DOMAIN, is_name

if TYPE_CHECKING:
    from cardnet.authority import Registry

LEAST_LIFE_S = 20
DAY_S = 24 * 3600


@click.command(short_help="Make certificates: an identity for each service and caller.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--name", "names", multiple=True, metavar="NAME", help="Whose; may be given often. All unless given.")
@click.option("--days", type=click.FloatRange(0, 3650, min_open=True), default=1, show_default=True, metavar="DAYS")
@click.option("--trust-domain", default=TRUST_DOMAIN, show_default=True, metavar="DOMAIN", help="Of the SPIFFE IDs.")
@click.option("--keep", is_flag=True, help="Stay, and replace them at half of their life, until Ctrl-C.")
@as_json
def certs(folder: Path, names: tuple[str, ...], days: float, trust_domain: str, keep: bool, json_: bool) -> None:
    """Make FOLDER/NAME/tls.crt, tls.key and ca.crt for each name, by a new certificate authority.

    Where identities stand in FOLDER already they are replaced so that services that run with them go on: the new
    authority first, three seconds later the certificates. The authority's key is never written anywhere.
    """
    for name in names:
        if not is_name(name):
            raise InvalidField("name", "must be small letters and digits, in words joined by -, 63 at most")
    checked_domain("trust-domain", trust_domain)
    if not days * DAY_S >= LEAST_LIFE_S:  # nor is "nan", which click lets pass
        raise InvalidField("days", f"must be {LEAST_LIFE_S} seconds at the least")
    life = timedelta(days=days)

    from cardnet.authority import Registry
    from cardnet.env import Clock

    registry = Registry(folder, Clock(), names or NAMES, life, trust_domain)
    asyncio.run(_make(registry, keep, lambda: _tell(folder, names or NAMES, life, json_)))


async def _make(registry: "Registry", keep: bool, tell: Callable[[], None]) -> None:
    work = asyncio.create_task(_work(registry, keep, tell))
    if keep:  # from the start: whoever reads that they are made may tell us at once to stop
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    await asyncio.wait((work,))
    if not work.cancelled():
        work.result()  # raises what went wrong


async def _work(registry: "Registry", keep: bool, tell: Callable[[], None]) -> None:
    if registry.stands():
        await registry.replace()
    else:
        registry.issue()
    tell()
    if keep:
        await registry.keep()


def _tell(folder: Path, names: tuple[str, ...], life: timedelta, json_: bool) -> None:
    if json_:
        print_json({"folder": str(folder), "names": list(names), "good_for_s": int(life.total_seconds())})
    else:
        click.echo(f"{folder}: {', '.join(names)}; good for {life}")
