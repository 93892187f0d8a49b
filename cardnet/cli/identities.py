"""The option by which a command is told as whom it asks."""

from pathlib import Path

import click

identities = click.option(
    "--identities",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    envvar="CARDNET_IDENTITIES",
    metavar="FOLDER",
    help="Where the certificates are to ask it with; those of your own running network are found by themselves.",
)
"""The option of commands that also ask networks elsewhere."""
