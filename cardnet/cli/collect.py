"""`cardnet collect`: the collector of traces as a process of its own, for networks whose services run apart."""

import asyncio
import os
from pathlib import Path

import click

from cardnet.cli.words import checked_domain
from cardnet.identity import TRUST_DOMAIN


@click.command(short_help="Collect traces: OTLP in, `cardnet trace` out.")
@click.option(
    "--listen", "addresses", multiple=True, default=("127.0.0.1:4317",), show_default=True, metavar="HOST:PORT"
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
def collect(addresses: tuple[str, ...], health_listen: str, identity: Path, trust_domain: str) -> None:
    """Take spans from the services of one network by OTLP and answer `cardnet trace`, until Ctrl-C.

    Listens at host:port or unix:/path. What comes in is sent on to OTEL_EXPORTER_OTLP_ENDPOINT, where that is set:
    services whose network leads nowhere else reach Jaeger or Tempo through here.
    """
    checked_domain("trust-domain", trust_domain)
    asyncio.run(_collect(addresses, health_listen, identity, trust_domain))


async def _collect(addresses: tuple[str, ...], health_listen: str, identity: Path, trust_domain: str) -> None:
    from cardnet import collector as collecting
    from cardnet.certificates import Identity
    from cardnet.confinement import keep_secrets_in
    from cardnet.doors import GRACE_S, open_health_door
    from cardnet.env import Env
    from cardnet.otlp import OtlpSink
    from cardnet.server import told_to_stop

    keep_secrets_in(os.environ)
    endpoints = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    collector = collecting.Collector([OtlpSink(endpoint) for endpoint in endpoints.split(",") if endpoint])
    stop = told_to_stop()
    servers = [
        (await collecting.listen(collector, Env.of("collector"), addresses, Identity(identity), trust_domain))[0]
    ]
    if health_listen:
        servers.append(await open_health_door(health_listen, ()))
    click.echo(f"ready at {', '.join(addresses)}")
    await stop.wait()
    await asyncio.gather(*(server.stop(GRACE_S) for server in servers))
    await collector.close()
