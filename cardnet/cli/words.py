"""How the command line speaks: problems to standard error, text that any terminal can show, commands one can type."""

import codecs
import json
import os
import re
import shutil
import sys
from datetime import datetime
from pathlib import Path

import click

from cardnet.errors import InvalidField
from cardnet.identity import is_trust_domain
from cardnet.origin import is_origin

_ASCII = {"→": "->", "⇄": "<>", "•": "*", "·": "-", "…": "...", "✓": "ok", "–": "-", "━": "=", "◆": "*"}

_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}")
_SOCKET = re.compile(r"unix:/[ -~]{1,100}")


COULD_NOT_ASK = 2
"""The exit code where a question got no answer."""


class InOrder(click.Group):
    """Lists its commands in the order in which one meets them; called alone, it says which it has."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args:
            click.echo(ctx.get_help())
            ctx.exit()
        return super().parse_args(ctx, args)


as_json = click.option("--json", "json_", is_flag=True, help="Print the same facts as JSON.")
"""The option that every command has."""


def complain(sentence: str) -> None:
    """Say on standard error what is wrong."""
    click.echo(f"cardnet: error: {sentence}", err=True)


def warn(sentence: str) -> None:
    """Say on standard error what one should know."""
    click.echo(f"cardnet: warning: {sentence}", err=True)


def print_json(document: object) -> None:
    """Print a document on one line."""
    click.echo(json.dumps(document, ensure_ascii=False))


def speak_plainly() -> None:
    """Have arrows and dots replaced where the terminal's encoding does not know them."""
    codecs.register_error("cardnet", _in_ascii)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="cardnet")


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_ASCII.get(letter, "?") for letter in error.object[error.start : error.end]), error.end


def command_name() -> str:
    """How the user calls us: "cardnet" where that is on the PATH, else the path that was typed."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        called = Path(sys.executable).with_name("cardnet")
        if not called.exists():
            return "python -m cardnet.cli"
    if called.name != "cardnet" or shutil.which("cardnet") == str(called.absolute()):
        return "cardnet"
    below = os.path.relpath(called)
    return str(called) if below.startswith("..") else below


def checked_address(option: str, text: str) -> str:
    """host:port or unix:/path as gRPC takes them; InvalidField names the option."""
    if not (_ADDRESS.fullmatch(text) or _SOCKET.fullmatch(text)):
        raise InvalidField(option, "must be host:port, such as 127.0.0.1:50051, or unix:/path")
    return text


def checked_domain(option: str, text: str) -> str:
    """A SPIFFE trust domain; InvalidField names the option."""
    if not is_trust_domain(text):
        raise InvalidField(option, "must be small letters, digits, dots, - and _, 255 at most, such as cardnet.test")
    return text


def checked_origin(option: str, text: str) -> str:
    """A web origin that may be trusted with cards; InvalidField names the option."""
    if not is_origin(text):
        raise InvalidField(option, "must be an origin: https://host or https://host:port, or http://localhost:port")
    return text


def checked_time(option: str, text: str) -> str:
    """A time with its zone; InvalidField names the option."""
    try:
        time = datetime.fromisoformat(text) if text else None
    except ValueError:
        time = datetime.min
    if time and time.tzinfo is None:
        raise InvalidField(option, "must be a time with its zone, such as 2026-01-15T09:00:00Z")
    return text
