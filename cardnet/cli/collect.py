"""`cardnet collect`: the collector of traces as a process of its own, for networks whose services run apart."""

import asyncio
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cardnet.cli.words import checked_domain, checked_origin
from cardnet.errors import InvalidField
from cardnet.identity import TRUST_DOMAIN
from cardnet.steps import SERVICES

if TYPE_CHECKING:
    from cardnet.certificates import Identity
    from cardnet.console.served import ServedConsole
    from cardnet.face import Face
    from cardnet.traces.archive import Archive
    from cardnet.traces.collector import Collector

_PLACE = re.compile(r"(\[[0-9a-f:.]+\]|[0-9A-Za-z.-]+):[0-9]{1,5}")


@click.command(short_help="Collect traces: OTLP in, `cardnet trace` out.")
@click.option(
    "--listen", "addresses", multiple=True, default=("127.0.0.1:4317",), show_default=True, metavar="HOST:PORT"
)
@click.option("--http-listen", default="", metavar="HOST:PORT", help="OTLP over HTTP, in plain text: /v1/traces.")
@click.option("--console-listen", default="", metavar="HOST:PORT", help="The console, in plain text: for browsers.")
@click.option("--console-origin", default="", metavar="ORIGIN", help="What browsers call it: http://localhost:8753.")
@click.option(
    "--ask",
    "asked",
    multiple=True,
    metavar="NAME=HOST:PORT",
    help="A service that the console may ask how it is; the others it knows by their calls.",
)
@click.option("--health-listen", default="", metavar="HOST:PORT", help="The standard health service, in plain text.")
@click.option(
    "--identity",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    envvar="CARDNET_COLLECTOR_IDENTITY",
    metavar="FOLDER",
    help="Its own tls.crt, tls.key and ca.crt.",
)
@click.option("--trust-domain", default=TRUST_DOMAIN, show_default=True, metavar="DOMAIN")
def collect(
    addresses: tuple[str, ...],
    http_listen: str,
    console_listen: str,
    console_origin: str,
    asked: tuple[str, ...],
    health_listen: str,
    identity: Path,
    trust_domain: str,
) -> None:
    """Take spans from the services of one network by OTLP and answer `cardnet trace`, until Ctrl-C.

    Listens at host:port or unix:/path. What comes in is sent on to OTEL_EXPORTER_OTLP_ENDPOINT, where that is set:
    services whose network leads nowhere else reach Jaeger or Tempo through here.
    """
    checked_domain("trust-domain", trust_domain)
    _checked_place("http-listen", http_listen)
    _checked_place("console-listen", console_listen)
    if console_listen:
        checked_origin("console-origin", console_origin)
    places = dict(_checked_service(one) for one in asked)
    asyncio.run(
        _collect(
            addresses, http_listen, (console_listen, console_origin, places), health_listen, identity, trust_domain
        )
    )


def _checked_place(option: str, text: str) -> None:
    if text and not _PLACE.fullmatch(text):
        raise InvalidField(option, "must be host:port, such as 127.0.0.1:4318")


def _checked_service(text: str) -> tuple[str, str]:
    name, _, address = text.partition("=")
    if name not in SERVICES or not _PLACE.fullmatch(address):
        raise InvalidField("ask", "must be a service and its host:port, such as merchant=127.0.0.1:50051")
    return name, address


async def _collect(
    addresses: tuple[str, ...],
    http_listen: str,
    console: tuple[str, str, dict[str, str]],
    health_listen: str,
    identity: Path,
    trust_domain: str,
) -> None:
    from cardnet.certificates import Identity
    from cardnet.confinement import keep_secrets_in
    from cardnet.doors import GRACE_S, open_health_door
    from cardnet.env import Env
    from cardnet.otlp import receivers
    from cardnet.server import collect_seldom, told_to_stop
    from cardnet.traces import collector as collecting

    keep_secrets_in(os.environ)
    collect_seldom()
    collector = collecting.Collector(receivers(os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")))
    stop, as_ = told_to_stop(), Identity(identity)
    servers = [(await collecting.listen(collector, Env.of("collector"), addresses, as_, trust_domain))[0]]
    faces: list[Face | ServedConsole] = []
    if http_listen:
        faces.append(await _open_http(collector, http_listen))
    if console[0]:
        faces.append(await _open_console(collector.archive, *console, as_))
    if health_listen:
        servers.append(await open_health_door(health_listen, ()))
    click.echo(f"ready at {', '.join(addresses)}")
    settling = asyncio.create_task(collector.archive.run())
    await stop.wait()
    settling.cancel()
    await asyncio.gather(*(face.close() for face in faces), *(server.stop(GRACE_S) for server in servers))
    await collector.close()


async def _open_http(collector: "Collector", listen: str) -> "Face":
    from cardnet.face import Face
    from cardnet.traces.otlp_http import Receiver

    face = Face(Receiver(collector).app(), listen)
    await face.open()
    return face


async def _open_console(
    archive: "Archive", listen: str, origin: str, places: dict[str, str], as_: "Identity"
) -> "ServedConsole":
    from cardnet.cli.collected import console_of
    from cardnet.console.served import ServedConsole

    console = ServedConsole(console_of(archive, places, as_), listen, origin)
    await console.open()
    return console
