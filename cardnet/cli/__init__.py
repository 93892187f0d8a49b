"""The command `cardnet`. Results go to standard output, problems to standard error.

Exit codes: 0 approved or done, 1 refused or not as expected, 2 could not ask. Each command imports what it needs when
it runs, so that `cardnet --help` is quick.
"""

import gc
import os
import sys
from collections.abc import Sequence

import click

from cardnet import __version__
from cardnet.cli.audit import audit
from cardnet.cli.cards import cards
from cardnet.cli.certs import certs
from cardnet.cli.clock import clock
from cardnet.cli.collect import collect
from cardnet.cli.demo import demo
from cardnet.cli.keys import keys
from cardnet.cli.merchant import merchant
from cardnet.cli.pay import pay
from cardnet.cli.requestors import requestors
from cardnet.cli.steps import steps
from cardnet.cli.store_users import store_users
from cardnet.cli.tail import tail
from cardnet.cli.tokens import tokens
from cardnet.cli.trace import trace
from cardnet.cli.trigger import trigger
from cardnet.cli.up import up
from cardnet.cli.vault import vault
from cardnet.cli.words import COULD_NOT_ASK, InOrder, complain, speak_plainly
from cardnet.config import SettingMissing
from cardnet.errors import Fault

INTERRUPTED = 130
"""What shells expect of a program that Ctrl-C ended."""


@click.group(cls=InOrder, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="cardnet %(version)s")
def cli() -> None:
    """A simulated card payment network on your own machine. For tests only, never a real card."""


for commands in (
    (demo, up, pay, trigger, trace, tail, cards, steps),
    (tokens, requestors, keys, audit, vault, merchant, clock),
    (certs, collect, store_users),
):
    for command in commands:
        cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code. arguments: those of the process if not given."""
    speak_plainly()
    try:
        return cli.main(arguments, prog_name="cardnet", standalone_mode=False) or 0
    except click.UsageError as problem:
        path = problem.ctx.command_path if problem.ctx else "cardnet"
        return _failed(f"{problem.format_message().rstrip('.')} (see: {path} --help)")
    except (click.ClickException, Fault, SettingMissing) as problem:
        return _failed(str(problem))
    except BrokenPipeError:  # who reads our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as problem:
        return _failed(f"{problem.strerror}: {problem.filename}" if problem.filename else str(problem))
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    finally:
        gc.collect()  # or we would end two seconds later: see cardnet/server.py


def _failed(sentence: str) -> int:
    complain(sentence)
    return COULD_NOT_ASK
