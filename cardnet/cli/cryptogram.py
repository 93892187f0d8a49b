"""`cardnet tokens cryptogram`: a cryptogram for one purchase, asked for as the token's requestor."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cardnet.cli.operator import Visit, ask, at_network
from cardnet.cli.private_file import check_new, write_new
from cardnet.cli.words import as_json, complain, print_json
from cardnet.enumeration import number_of
from cardnet.errors import InvalidField
from cardnet.money import Money
from cardnet.response_code import ResponseCode

if TYPE_CHECKING:
    from cardnet.v1.token_pb2 import Token
    from cardnet.v1.token_service_pb2 import RequestCryptogramRequest, RequestCryptogramResponse

BINDINGS = ("exact", "maximum", "none")


@click.command(short_help="Ask for a cryptogram for one purchase.")
@click.argument("reference", metavar="REF")
@click.option("--amount", required=True, metavar="12.40", help="With the decimals that the currency has.")
@click.option("--currency", default="USD", show_default=True, metavar="CODE", help="Three letters (ISO 4217).")
@click.option(
    "--merchant-initiated", is_flag=True, help="For a payment that the merchant begins; needs --original-rrn."
)
@click.option("--original-rrn", default="", metavar="RRN", help="The cardholder's payment that it goes back to.")
@click.option("--binding", type=click.Choice(BINDINGS), default="exact", show_default=True, help="Of the amount.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write token data to this new file (0600)."
)
@at_network
@as_json
def cryptogram(
    reference: str,
    amount: str,
    currency: str,
    merchant_initiated: bool,
    original_rrn: str,
    binding: str,
    out: Path | None,
    port: int,
    json_: bool,
) -> int:
    """Ask for a cryptogram for one purchase with a token, as its requestor, and show all of it but its value.

    The value, with the token that it goes with, is a Checkout's `token_data`: --out writes that as JSON to a new file
    that its owner alone can read.
    """
    from cardnet.cli.tokens import checked_reference

    beginning = checked_reference(reference)
    money = Money.parse(f"{amount} {currency}")
    if not money.minor:
        raise InvalidField("amount", "must be more than 0")
    if merchant_initiated != bool(original_rrn):
        raise InvalidField("original-rrn", "must be given where the merchant begins the payment, and only there")
    if out:
        check_new("out", out)
    terms = {"initiator": "merchant" if merchant_initiated else "cardholder", "original_rrn": original_rrn}
    token, answer = ask(port, lambda visit: _request(visit, beginning, money, binding, terms))
    if answer.response_code != ResponseCode.APPROVED:
        return _tell_refusal(ResponseCode(answer.response_code), json_)
    if out:
        write_new("out", out, json.dumps(_token_data(token, answer)))
    _tell(_document(token, answer), out, json_)
    return 0


async def _request(
    visit: Visit, beginning: str, money: Money, binding: str, terms: dict[str, str]
) -> "tuple[Token, RequestCryptogramResponse]":
    from cardnet.cli.tokens import find
    from cardnet.v1.token_service_pb2_grpc import TokenServiceStub

    token = await find(visit, beginning)
    requestor = await visit.requestor(token.token_requestor_id)
    tsp = await visit.stub(TokenServiceStub, as_=requestor.identity)
    request = _cryptogram_request(token, money, binding, terms)
    # Which of its merchants pays is the same to the answer: the first stands for all.
    request.merchant.merchant_id = requestor.merchant_ids[0]
    request.merchant.merchant_domain = requestor.merchant_domain
    return token, await tsp.RequestCryptogram(request)


def _cryptogram_request(
    token: "Token", money: Money, binding: str, terms: dict[str, str]
) -> "RequestCryptogramRequest":
    from cardnet.v1.payment_pb2 import Initiator, MerchantData
    from cardnet.v1.token_service_pb2 import AmountBinding, RequestCryptogramRequest

    return RequestCryptogramRequest(
        token_requestor_id=token.token_requestor_id,
        token_reference_id=token.token_reference_id,
        merchant=MerchantData(merchant_name="Example Shop", merchant_category_code="5732", merchant_country="840"),
        amount_minor=money.minor,
        currency=money.currency.number,
        initiator=number_of(Initiator, terms["initiator"]),
        original_rrn=terms["original_rrn"],
        amount_binding=number_of(AmountBinding, binding),
    )


def _token_data(token: "Token", answer: "RequestCryptogramResponse") -> dict[str, str]:
    return {
        "payment_token": answer.payment_token,
        "token_expiry": answer.token_expiry,
        "token_requestor_id": token.token_requestor_id,
        "cryptogram": answer.cryptogram,
    }


def _document(token: "Token", answer: "RequestCryptogramResponse") -> dict[str, Any]:
    return {
        "token_reference_id": token.token_reference_id,
        "token_last_four": token.token_last_four,
        "token_expiry": answer.token_expiry,
        "atc": answer.atc,
        "key_index": answer.key_index,
        "eci": answer.eci,
        "expires_at": answer.expires_at,
    }


def _tell_refusal(code: ResponseCode, json_: bool) -> int:
    if json_:
        print_json({"response_code": code.value, "meaning": code.meaning})
    else:
        complain(f"{code} {code.meaning}: no cryptogram was made")
    return 1


def _tell(known: dict[str, Any], out: Path | None, json_: bool) -> None:
    if json_:
        print_json(known | ({"out": str(out)} if out else {}))
        return

    from cardnet.cli.terminal import Terminal
    from cardnet.rules import masked

    lines = [
        ("token", f"{known['token_reference_id']}  {masked(known['token_last_four'])}, expiry {known['token_expiry']}"),
        ("ATC", str(known["atc"])),
        ("key index", str(known["key_index"])),
        ("ECI", known["eci"]),
        ("good until", known["expires_at"]),
        ("value", f"in {out}, with the token: a Checkout's token_data" if out else "not shown: --out FILE writes it"),
    ]
    Terminal().table((), lines)
