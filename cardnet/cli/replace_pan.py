"""`cardnet tokens replace-pan`: what an issuer tells when a card has a new number."""

import csv
from typing import TYPE_CHECKING, NamedTuple, TextIO

import click

from cardnet.card import Expiry, Pan
from cardnet.cli.operator import Visit, ask, at_network
from cardnet.cli.words import as_json, complain, print_json
from cardnet.errors import InvalidField
from cardnet.response_code import ResponseCode
from cardnet.test_cards import test_card
from cardnet.token_lines import why_not_replaced

if TYPE_CHECKING:
    from cardnet.cde.v1.pan_lifecycle_pb2 import ChangePanResponse

_COLUMNS = ["pan", "new_pan", "new_pan_expiry"]


class Replacement(NamedTuple):
    """A card, and the one that comes in its place."""

    pan: Pan
    new_pan: Pan
    new_pan_expiry: Expiry


@click.command("replace-pan", short_help="Give a card a new number: its tokens stay.")
@click.argument("card", required=False, metavar="[CARD]")
@click.option("--new-card", metavar="CARD", help="The card that takes its place: see `cardnet cards`.")
@click.option("--pan-file", type=click.File("r"), metavar="FILE", help="Cards of your own, in a file; - for a pipe.")
@click.option("--as", "party", type=click.Choice(("operator", "issuer")), default="operator", show_default=True)
@at_network
@as_json
def replace_pan(
    card: str | None, new_card: str | None, pan_file: TextIO | None, party: str, port: int, json_: bool
) -> int:
    """Tell the token service provider that the test card CARD has a new number, that of --new-card. Its tokens and its
    PAR stay; the next authorisation reaches the new number.

    Other cards come from FILE and never from the command line, where others could see them: CSV with the header
    pan,new_pan,new_pan_expiry and one line.
    """
    replacement = _of_names(card, new_card) if card or new_card else _of_file(pan_file)
    if pan_file and card:
        raise InvalidField("pan-file", "must be given in place of the names of cards, not beside them")
    answer = ask(port, lambda visit: _replace(visit, replacement, party))
    code = ResponseCode(answer.response_code)
    if code != ResponseCode.APPROVED:
        complain(f"{code} {code.meaning}: {why_not_replaced(code)}")
        return 1
    _tell(answer, json_)
    return 0


async def _replace(visit: Visit, replacement: Replacement, party: str) -> "ChangePanResponse":
    from cardnet.cde.v1.pan_lifecycle_pb2 import ReplacePanRequest
    from cardnet.cde.v1.pan_lifecycle_pb2_grpc import PanLifecycleStub

    request = ReplacePanRequest(
        pan=replacement.pan.reveal(),
        new_pan=replacement.new_pan.reveal(),
        new_pan_expiry=str(replacement.new_pan_expiry),
    )
    answer: ChangePanResponse = await (await visit.stub(PanLifecycleStub, as_=party)).ReplacePan(request)
    return answer


def _of_names(card: str | None, new_card: str | None) -> Replacement:
    if not card or not new_card:
        raise InvalidField("new-card", "must be given with CARD, and CARD with it: both are names of test cards")
    old, new = test_card(card), test_card(new_card)
    return Replacement(Pan(old.pan), Pan(new.pan), Expiry.parse(new.expiry))


def _of_file(file: TextIO | None) -> Replacement:
    if file is None:
        raise InvalidField("CARD", "must be given with --new-card, or else --pan-file")
    lines = [line for line in csv.reader(file) if line]
    if len(lines) != 2 or lines[0] != _COLUMNS or len(lines[1]) != len(_COLUMNS):
        raise InvalidField("pan-file", f"must have the header {','.join(_COLUMNS)} and one line")
    pan, new_pan, new_pan_expiry = lines[1]
    return Replacement(_pan("pan", pan), _pan("new_pan", new_pan), Expiry.parse(new_pan_expiry))


def _pan(column: str, digits: str) -> Pan:
    try:
        return Pan(digits)
    except InvalidField as fault:
        raise InvalidField(f"pan-file: {column}", fault.rule) from None


def _tell(answer: "ChangePanResponse", json_: bool) -> None:
    from cardnet.cli.terminal import Terminal
    from cardnet.token_lines import HEADINGS, cells, document

    if json_:
        print_json([document(token) for token in answer.tokens])
    elif answer.tokens:
        Terminal().table(HEADINGS, [cells(token) for token in answer.tokens])
    else:
        click.echo("no token stands for this card any more")
