"""`cardnet steps`: the table of the nine steps."""

import click

from cardnet.cli.words import as_json, print_json
from cardnet.steps import STEPS


@click.command(short_help="The nine steps of a card-on-file authorisation.")
@as_json
def steps(json_: bool) -> None:
    """Print the nine steps of a card-on-file authorisation, as EMVCo describes it."""
    if json_:
        print_json([step._asdict() for step in STEPS])
        return

    from cardnet.cli.terminal import Terminal

    lines = [
        (
            str(step.number),
            f"{step.sender:<10} {'⇄' if step.end == 'both' else '→'} {step.receiver}",
            f"{step.call} {'both ends' if step.end == 'both' else step.end}",
            step.prose,
        )
        for step in STEPS
    ]
    Terminal().table(("", "from → to", "message", ""), lines)
