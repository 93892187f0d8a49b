"""`cardnet pay`: one purchase with a test card, at a network that runs."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cardnet.call import TraceContext
from cardnet.cli.identities import identities
from cardnet.cli.words import COULD_NOT_ASK, as_json, checked_address, command_name, complain, print_json
from cardnet.errors import Fault, InvalidField, Malformed, Unavailable
from cardnet.money import Money
from cardnet.response_code import ResponseCode
from cardnet.test_cards import TestCard, test_card
from cardnet.traces.picture import SHOWN_DIGITS

if TYPE_CHECKING:
    from cardnet.cardholder import Cardholder, CardOnFile
    from cardnet.cli.terminal import Terminal
    from cardnet.roster import Roster
    from cardnet.v1.merchant_pb2 import CheckoutResponse

MERCHANT = "127.0.0.1:50051"
"""Where `cardnet up` puts the merchant unless it is told otherwise."""

COLLECTOR_ADDRESS = "127.0.0.1:4317"
"""Where it puts the collector, and `cardnet trace` looks for it."""

_NOT_PAID = (
    ". No payment was made: the card has to be saved first, and could not be. There is no option to pay with one "
    "that is on file already: start what is missing, and pay again"
)


@click.command(short_help="Pay with a test card at a running network.")
@click.option("--card", "name", required=True, metavar="NAME", help="One of the test cards: see `cardnet cards`.")
@click.option("--amount", required=True, metavar="12.40", help="With the decimals that the currency has.")
@click.option("--currency", metavar="CODE", help="Three letters (ISO 4217); the card's own unless given.")
@click.option("--key", metavar="KEY", help="The idempotency key. The same key pays once; a fresh one if not given.")
@click.option("--merchant", default=MERCHANT, show_default=True, metavar="HOST:PORT")
@click.option("--tsp", default="127.0.0.1:50054", show_default=True, metavar="HOST:PORT")
@click.option("--traceparent", metavar="HEADER", help="Make the payment a part of your own trace (W3C Trace Context).")
@identities
@as_json
def pay(
    name: str,
    amount: str,
    currency: str | None,
    key: str | None,
    merchant: str,
    tsp: str,
    traceparent: str | None,
    identities: Path | None,
    json_: bool,
) -> int:
    """Save a test card, encrypted to the token service provider, and pay with it.

    Exit codes: 0 approved, 1 refused, 2 could not ask.
    """
    card = test_card(name)
    money = Money.parse(f"{amount} {currency or card.balance.currency.name}")
    if not money.minor:
        raise InvalidField("amount", "must be more than 0")
    place = _checked_place(traceparent) if traceparent else None
    shop, vault = checked_address("merchant", merchant), checked_address("tsp", tsp)

    from cardnet.cardholder import CardNotSaved
    from cardnet.cli.asking import roster_at

    try:
        key, answer = asyncio.run(_pay(card, money, key, shop, vault, place, identities))
    except CardNotSaved as refusal:
        return _tell_not_saved(refusal.response_code, refusal.sentence, json_)
    roster = None
    with suppress(Unavailable):  # who named certificates may have no use for rosters
        roster = roster_at(shop)
    if isinstance(answer, Fault):
        return _tell_unanswered(answer, key, merchant, roster, json_)
    if json_:
        print_json(_document(card, money, key, answer, roster))
    else:
        _tell(card, money, answer, merchant, roster)
    return 0 if answer.approved else 1


def _checked_place(traceparent: str) -> str:
    """The header for the place in a trace that somebody gave."""
    if place := TraceContext.read(traceparent):
        return place.traceparent
    raise InvalidField(
        "traceparent",
        "must be 00-(32 hexadecimal digits)-(16 hexadecimal digits)-(2 hexadecimal digits), in lower case, "
        "or begin like that in a later version",
    )


async def _pay(
    card: TestCard,
    money: Money,
    key: str | None,
    merchant: str,
    tsp: str,
    traceparent: str | None,
    identities: Path | None,
) -> "tuple[str, CheckoutResponse | Fault]":
    """The payment's key, and the answer to it; or why there is none, once it was asked."""
    from cardnet.cardholder import Cardholder
    from cardnet.cli.asking import as_cardholder, channel
    from cardnet.env import Env

    key = key or f"pay{Env.of('cli').rng.hex(8)}"
    as_ = as_cardholder("merchant", merchant, identities)
    async with channel("merchant", merchant, as_) as shop, channel("tsp", tsp, as_) as vault:
        cardholder = Cardholder(shop, vault)
        saved = await _saved(cardholder, card)
        try:
            return key, await cardholder.pay(saved.id, money, key, traceparent)
        except Fault as fault:
            return key, fault


async def _saved(cardholder: "Cardholder", card: TestCard) -> "CardOnFile":
    """The card on file. CardNotSaved; Unavailable says what that means for the payment."""
    try:
        return await cardholder.save_card(card.pan, card.expiry)
    except Unavailable as fault:
        raise type(fault)(fault.reason, f"{fault.sentence}{_NOT_PAID}") from None


def _tell(card: TestCard, money: Money, answer: "CheckoutResponse", merchant: str, roster: "Roster | None") -> None:
    from cardnet.cli.terminal import Terminal, style_of

    terminal = Terminal()
    said = f"{answer.response_code} {ResponseCode(answer.response_code).meaning}"
    details = [f"auth {answer.auth_code}"] if answer.auth_code else []
    details += [f"RRN {answer.rrn}"] if answer.rrn else []
    terminal.say((said, style_of(said)), "  ", "  ".join((str(money), f"card ••••{card.last_four}", *details)))
    terminal.say(answer.notice)
    _lead_on(terminal, answer.trace_id, merchant, roster)


def _lead_on(terminal: "Terminal", trace_id: str, merchant: str, roster: "Roster | None") -> None:
    """Say where it is to be seen what happened."""
    terminal.say(("trace ", "dim"), trace_id)
    at = _collector_option(merchant, roster)
    terminal.say(("steps ", "dim"), f"{command_name()} trace {trace_id[:SHOWN_DIGITS]}{at}")
    if page := roster and roster.page_of(trace_id):
        terminal.say(("page  ", "dim"), page)


def _collector_option(merchant: str, roster: "Roster | None") -> str:
    """How `cardnet trace` is told where the collector is, unless it is where it looks anyway."""
    if roster:
        return "" if roster.collector == COLLECTOR_ADDRESS else f" --collector {roster.collector}"
    # A network that is none of ours: whoever started it knows.
    return "" if merchant == MERCHANT else " --collector HOST:PORT"


def _tell_unanswered(fault: Fault, key: str, merchant: str, roster: "Roster | None", json_: bool) -> int:
    """Say why there is no answer, and where it is to be seen: whether anything was done may stand there alone."""
    from cardnet.cli.terminal import Terminal

    complain(fault.sentence)
    if json_:
        page = roster.page_of(fault.trace_id) if roster else ""
        named = {"idempotency_key": key, "trace_id": fault.trace_id, "page": page}
        print_json({"error": fault.sentence, "reason": fault.reason, **named})
    elif fault.trace_id and not isinstance(fault, Malformed):  # what is malformed leaves no step to be seen
        _lead_on(Terminal(problems=True), fault.trace_id, merchant, roster)
    return COULD_NOT_ASK


def _tell_not_saved(code: ResponseCode, sentence: str, json_: bool) -> int:
    if json_:
        print_json({"approved": False, "response_code": code.value, "meaning": code.meaning, "notice": sentence})
    else:
        click.echo(sentence)
    return 1


def _document(
    card: TestCard, money: Money, key: str, answer: "CheckoutResponse", roster: "Roster | None"
) -> dict[str, Any]:
    return {
        "approved": answer.approved,
        "response_code": answer.response_code,
        "meaning": ResponseCode(answer.response_code).meaning,
        "notice": answer.notice,
        "card": card.name,
        "pan_last_four": answer.pan_last_four,
        "amount_minor": money.minor,
        "currency": money.currency.name,
        "auth_code": answer.auth_code,
        "rrn": answer.rrn,
        "idempotency_key": key,
        "trace_id": answer.trace_id,
        "page": roster.page_of(answer.trace_id) if roster else "",
    }
