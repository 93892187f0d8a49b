"""`cardnet tokens`: the tokens of a network that runs, and what can be done to them."""

import re
from typing import TYPE_CHECKING

import click

from cardnet.cli.cryptogram import cryptogram
from cardnet.cli.follow import follow
from cardnet.cli.operator import Visit, ask, at_network
from cardnet.cli.replace_pan import replace_pan
from cardnet.cli.words import InOrder, as_json, command_name, complain, print_json
from cardnet.enumeration import number_of
from cardnet.errors import InvalidField, NotFound
from cardnet.identity import ISSUER, OPERATOR
from cardnet.response_code import ResponseCode
from cardnet.token_lines import CAUSES, PARTIES, why

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cardnet.v1.token_lifecycle_pb2 import ChangeTokenResponse
    from cardnet.v1.token_pb2 import Token

_WHOLE = 32
_REF = re.compile(rf"[0-9a-f]{{4,{_WHOLE}}}")


@click.group(cls=InOrder, short_help="The tokens of a running network.")
def tokens() -> None:
    """The tokens of a network that runs. REF is a token's reference, or any beginning of it that means no other token.

    Numbers are masked, always. Exit codes: 0 done, 1 refused, 2 could not ask.
    """


@tokens.command("list", short_help="All tokens, or those of one requestor.")
@click.option("--requestor", default="", metavar="TRID", help="Only tokens of this Token Requestor.")
@at_network
@as_json
def list_(requestor: str, port: int, json_: bool) -> None:
    """List the tokens of the vault, deleted ones too."""
    found = ask(port, lambda visit: _list(visit, requestor))

    from cardnet.cli.terminal import Terminal
    from cardnet.token_lines import HEADINGS, cells, document

    if json_:
        print_json([document(token) for token in found])
    elif found:
        Terminal().table(HEADINGS, [cells(token) for token in found])
    else:
        click.echo(f"no tokens yet; have one issued: {command_name()} pay --card approved --amount 12.40")


@tokens.command(short_help="All that may be told of a token.")
@click.argument("reference", metavar="REF")
@at_network
@as_json
def show(reference: str, port: int, json_: bool) -> None:
    """Show a token as it stands now."""
    beginning = checked_reference(reference)
    _tell(ask(port, lambda visit: find(visit, beginning)), json_)


as_party = click.option(
    "--as",
    "party",
    type=click.Choice(PARTIES),
    default="operator",
    show_default=True,
    help="In whose name: the token service provider's operator, the token's requestor or the card's issuer.",
)
for_cause = click.option("--cause", type=click.Choice(CAUSES), default="other", show_default=True, help="Why.")


@tokens.command(short_help="Have every authorisation refused, until it is resumed.")
@click.argument("reference", metavar="REF")
@as_party
@for_cause
@at_network
@as_json
def suspend(reference: str, party: str, cause: str, port: int, json_: bool) -> int:
    """Suspend a token: the next authorisation is refused. Each party's suspension is its own to lift."""
    return _change("SuspendToken", reference, party, cause, port, json_)


@tokens.command(short_help="Lift one's own suspension.")
@click.argument("reference", metavar="REF")
@as_party
@for_cause
@at_network
@as_json
def resume(reference: str, party: str, cause: str, port: int, json_: bool) -> int:
    """Lift a suspension in the name of who made it. The token is usable again when nobody suspends it any more."""
    return _change("ResumeToken", reference, party, cause, port, json_)


@tokens.command(short_help="End a token, for good.")
@click.argument("reference", metavar="REF")
@as_party
@for_cause
@at_network
@as_json
def delete(reference: str, party: str, cause: str, port: int, json_: bool) -> int:
    """End a token's affiliation with its card. Its number is never issued again, and the card's is erased from it."""
    return _change("UnlinkToken", reference, party, cause, port, json_)


@tokens.command(short_help="Activate a token that was issued inactive.")
@click.argument("reference", metavar="REF")
@click.option("--as", "party", type=click.Choice(("operator", "issuer")), default="operator", show_default=True)
@for_cause
@at_network
@as_json
def activate(reference: str, party: str, cause: str, port: int, json_: bool) -> int:
    """Activate a token that waits for its cardholder to be confirmed."""
    return _change("ActivateToken", reference, party, cause, port, json_)


for command in (replace_pan, cryptogram, follow):
    tokens.add_command(command)


def checked_reference(text: str) -> str:
    """A token's reference or the beginning of one; InvalidField if it cannot be."""
    if not _REF.fullmatch(text.lower()):
        raise InvalidField(
            "REF", f"must be 4 to {_WHOLE} hexadecimal digits: a token's reference, or the beginning of one"
        )
    return text.lower()


async def find(visit: Visit, beginning: str) -> "Token":
    """The token whose reference begins so. NotFound if none does, InvalidField if several do."""
    found = [await _whole(visit, beginning)] if len(beginning) == _WHOLE else await _beginning(visit, beginning)
    if not found:
        raise NotFound("TOKEN_UNKNOWN", f"no token's reference begins so; see: {command_name()} tokens list")
    if len(found) > 1:
        raise InvalidField("REF", f"must be long enough to mean one token only; {len(found)} begin so")
    return found[0]


async def _whole(visit: Visit, reference: str) -> "Token":
    from cardnet.v1.token_lifecycle_pb2 import GetTokenRequest, TokenName
    from cardnet.v1.token_lifecycle_pb2_grpc import TokenLifecycleStub

    request = GetTokenRequest(token=TokenName(token_reference_id=reference))
    answer: ChangeTokenResponse = await (await visit.stub(TokenLifecycleStub)).GetToken(request)
    if answer.response_code != ResponseCode.APPROVED:
        raise NotFound("TOKEN_UNKNOWN", f"no token has this reference; see: {command_name()} tokens list")
    return answer.token


async def _beginning(visit: Visit, beginning: str) -> "list[Token]":
    return [token for token in await _list(visit, "") if token.token_reference_id.startswith(beginning)]


async def _list(visit: Visit, token_requestor_id: str) -> "list[Token]":
    if token_requestor_id:
        await visit.requestor(token_requestor_id)  # an empty list for a slip of the pen would mislead
    # The vault has them in no order, and may show one twice that changes while it is read.
    listed = {token.token_reference_id: token async for token in _listed(visit, token_requestor_id)}
    return sorted(listed.values(), key=lambda token: (token.token_requestor_id, token.token_reference_id))


async def _listed(visit: Visit, token_requestor_id: str) -> "AsyncIterator[Token]":
    from cardnet.cde.v1.token_operator_pb2 import ListTokensRequest
    from cardnet.cde.v1.token_operator_pb2_grpc import TokenOperatorStub

    operator, page = await visit.stub(TokenOperatorStub), ""
    while True:
        listed = await operator.ListTokens(ListTokensRequest(page=page, token_requestor_id=token_requestor_id))
        for token in listed.tokens:
            yield token
        page = listed.next_page
        if not page:
            return


def _change(rpc: str, reference: str, party: str, cause: str, port: int, json_: bool) -> int:
    beginning = checked_reference(reference)
    answer = ask(port, lambda visit: _changed(visit, rpc, beginning, party, cause))
    if answer.response_code == ResponseCode.APPROVED:
        _tell(answer.token, json_)
        return 0
    code = ResponseCode(answer.response_code)
    if json_:
        print_json({"response_code": code.value, "meaning": code.meaning})
    else:
        complain(f"{code} {code.meaning}: {why(code, rpc, party, ' (--as)')}")
    return 1


async def _changed(visit: Visit, rpc: str, beginning: str, party: str, cause: str) -> "ChangeTokenResponse":
    from cardnet.v1.token_lifecycle_pb2 import ChangeTokenRequest, TokenName
    from cardnet.v1.token_lifecycle_pb2_grpc import TokenLifecycleStub
    from cardnet.v1.token_pb2 import Cause

    token = await find(visit, beginning)
    caller = {"operator": OPERATOR, "issuer": ISSUER}.get(party)
    if caller is None:
        caller = (await visit.requestor(token.token_requestor_id)).identity
    lifecycle = await visit.stub(TokenLifecycleStub, as_=caller)
    name = TokenName(token_reference_id=token.token_reference_id)
    answer: ChangeTokenResponse = await getattr(lifecycle, rpc)(
        ChangeTokenRequest(token=name, cause=number_of(Cause, cause))
    )
    return answer


def _tell(token: "Token", json_: bool) -> None:
    from cardnet.cli.terminal import Terminal
    from cardnet.token_lines import document, facts

    if json_:
        print_json(document(token))
    else:
        Terminal().table((), facts(token))
