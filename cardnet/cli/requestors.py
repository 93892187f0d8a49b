"""`cardnet requestors`: the Token Requestors of a network that runs."""

import secrets
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cardnet.cli.operator import Visit, ask, at_network
from cardnet.cli.private_file import check_new, write_new
from cardnet.cli.words import InOrder, as_json, complain, print_json
from cardnet.enumeration import number_of, word_of
from cardnet.errors import InvalidField
from cardnet.response_code import ResponseCode

if TYPE_CHECKING:
    from cardnet.cde.v1.token_operator_pb2 import Requestor

USAGES = ("one-time", "card-on-file", "recurring")
ENTRY_MODES = ("manual", "credential-on-file", "ecommerce")
LOCATIONS = ("remote", "secure-element", "device", "secured-device", "secured-remote", "shared", "temporary")


@click.group(cls=InOrder, short_help="The Token Requestors of a running network.")
def requestors() -> None:
    """The Token Requestors of a network that runs: one identifier (TRID) for each party and use of tokens."""


@requestors.command("list", short_help="All of them, with the domains of their tokens.")
@at_network
@as_json
def list_(port: int, json_: bool) -> None:
    """List the Token Requestors and the domains of the tokens that each gets."""
    found = ask(port, _list)
    if json_:
        print_json([_document(requestor) for requestor in found])
        return
    _table(found)


@requestors.command(short_help="Register one for a party and a use.")
@click.option("--identity", required=True, metavar="CALLER", help="To whom: a caller of the TSP, such as merchant.")
@click.option("--merchant-id", "merchant_ids", required=True, multiple=True, help="A merchant of its tokens' domain.")
@click.option("--domain", "merchant_domain", required=True, metavar="HOST", help="The host name of their site.")
@click.option(
    "--entry-mode",
    "entry_modes",
    multiple=True,
    type=click.Choice(ENTRY_MODES),
    default=ENTRY_MODES[1:],
    show_default=True,
)
@click.option("--usage", type=click.Choice(USAGES), default="card-on-file", show_default=True)
@click.option("--cryptogram-required", is_flag=True, help="Every payment with its tokens needs a cryptogram.")
@click.option("--location", type=click.Choice(LOCATIONS), default="remote", show_default=True, help="Of its tokens.")
@at_network
@as_json
def register(
    identity: str,
    merchant_ids: tuple[str, ...],
    merchant_domain: str,
    entry_modes: tuple[str, ...],
    usage: str,
    cryptogram_required: bool,
    location: str,
    port: int,
    json_: bool,
) -> None:
    """Register a Token Requestor and print it with the identifier that it was given.

    The same party and domain again get the identifier that they have. --merchant-id and --entry-mode may come again.
    """
    from cardnet.cde.v1.token_operator_pb2 import Requestor
    from cardnet.v1.payment_pb2 import PosEntryMode
    from cardnet.v1.token_pb2 import TokenLocation, TokenUsage

    wanted = Requestor(
        identity=identity,
        merchant_ids=merchant_ids,
        merchant_domain=merchant_domain,
        pos_entry_modes=[number_of(PosEntryMode, mode) for mode in entry_modes],
        usage=number_of(TokenUsage, usage),
        cryptogram_required=cryptogram_required,
        location=number_of(TokenLocation, location),
    )
    registered = ask(port, lambda visit: _register(visit, wanted))
    if json_:
        print_json(_document(registered))
    else:
        _table([registered])


@requestors.command(short_help="Have its notifications posted to an address.")
@click.argument("requestor", metavar="TRID")
@click.argument("url", required=False, metavar="[URL]")
@click.option("--secret-file", type=click.Path(path_type=Path, dir_okay=False), help="Where the new secret is written.")
@click.option("--off", is_flag=True, help="Post them nowhere any more.")
@at_network
@as_json
def webhook(requestor: str, url: str | None, secret_file: Path | None, off: bool, port: int, json_: bool) -> int:
    """Have the notifications of the Token Requestor TRID posted to URL, signed (Standard Webhooks).

    The secret of the signatures is drawn here and written to --secret-file, a new file that its owner alone can read:
    "whsec_" and base64, as receivers' libraries take it. It is shown nowhere.
    """
    if off == bool(url) or off == bool(secret_file):
        raise InvalidField("URL", "must be given with --secret-file, or else --off alone")
    secret = secrets.token_bytes(32) if url else b""
    if secret_file:
        check_new("secret-file", secret_file)
        # Before it is used: an address that has a secret which nobody knows would be of no use.
        write_new("secret-file", secret_file, f"whsec_{b64encode(secret).decode()}")
    try:
        code = ask(port, lambda visit: _set_webhook(visit, requestor, url or "", secret.hex()))
    except BaseException:
        _forget(secret_file)
        raise
    if code != ResponseCode.APPROVED:
        _forget(secret_file)
        complain(f"{code} {code.meaning}: there is no Token Requestor of this identifier")
        return 1
    _tell_webhook(requestor, url or "", secret_file, json_)
    return 0


async def _list(visit: Visit) -> "list[Requestor]":
    from cardnet.cde.v1.token_operator_pb2 import ListRequestorsRequest
    from cardnet.cde.v1.token_operator_pb2_grpc import TokenOperatorStub

    listed = await (await visit.stub(TokenOperatorStub)).ListRequestors(ListRequestorsRequest())
    return sorted(listed.requestors, key=lambda requestor: requestor.token_requestor_id)


async def _register(visit: Visit, requestor: "Requestor") -> "Requestor":
    from cardnet.cde.v1.token_operator_pb2 import RegisterRequestorRequest, RegisterRequestorResponse
    from cardnet.cde.v1.token_operator_pb2_grpc import TokenOperatorStub

    operator = await visit.stub(TokenOperatorStub)
    answer: RegisterRequestorResponse = await operator.RegisterRequestor(RegisterRequestorRequest(requestor=requestor))
    return answer.requestor


async def _set_webhook(visit: Visit, token_requestor_id: str, url: str, secret: str) -> ResponseCode:
    from cardnet.cde.v1.token_operator_pb2 import SetWebhookRequest
    from cardnet.cde.v1.token_operator_pb2_grpc import TokenOperatorStub

    request = SetWebhookRequest(token_requestor_id=token_requestor_id, url=url, secret=secret)
    answer = await (await visit.stub(TokenOperatorStub)).SetWebhook(request)
    return ResponseCode(answer.response_code)


def _forget(secret_file: Path | None) -> None:
    if secret_file:
        secret_file.unlink(missing_ok=True)


def _tell_webhook(token_requestor_id: str, url: str, secret_file: Path | None, json_: bool) -> None:
    if json_:
        print_json(
            {
                "token_requestor_id": token_requestor_id,
                "webhook_url": url,
                "secret_file": str(secret_file) if secret_file else None,
            }
        )
    elif url:
        click.echo(f"notifications of {token_requestor_id} are posted to {url}; the secret is in {secret_file}")
    else:
        click.echo(f"notifications of {token_requestor_id} are posted nowhere any more")


def _document(requestor: "Requestor") -> dict[str, Any]:
    from cardnet.v1.payment_pb2 import PosEntryMode
    from cardnet.v1.token_pb2 import TokenLocation, TokenUsage

    return {
        "token_requestor_id": requestor.token_requestor_id,
        "identity": requestor.identity,
        "merchant_ids": list(requestor.merchant_ids),
        "merchant_domain": requestor.merchant_domain,
        "pos_entry_modes": [word_of(PosEntryMode, mode) for mode in requestor.pos_entry_modes],
        "usage": word_of(TokenUsage, requestor.usage),
        "cryptogram_required": requestor.cryptogram_required,
        "location": word_of(TokenLocation, requestor.location),
        "webhook_url": requestor.webhook_url,
    }


def _table(requestors: "list[Requestor]") -> None:
    from cardnet.cli.terminal import Terminal

    lines = []
    for known in map(_document, requestors):
        demands = ["cryptogram required"] if known["cryptogram_required"] else []
        posted = [f"posted to {known['webhook_url']}"] if known["webhook_url"] else []
        lines.append(
            (
                known["token_requestor_id"],
                known["identity"],
                known["usage"],
                " ".join(known["merchant_ids"]),
                ", ".join((known["merchant_domain"], *known["pos_entry_modes"], *demands, *posted)),
            )
        )
    Terminal().table(("TRID", "party", "use", "merchants", "domain"), lines)
