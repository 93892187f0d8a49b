"""The tokens: what they are, what became of them, and what may be done to them. Numbers are masked, always."""

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cardnet.cde.v1.token_operator_pb2 import Requestor
from cardnet.console.pages import Pages
from cardnet.console.posted import back_to, fields_of, one_of
from cardnet.console.token_desk import CHANGES, MAY, SHOWN, TokenDesk
from cardnet.errors import Fault, InvalidField
from cardnet.identity import TSP
from cardnet.response_code import ResponseCode
from cardnet.test_cards import TEST_CARDS, test_card
from cardnet.token_lines import (
    CAUSES,
    PARTIES,
    document,
    facts,
    notification_document,
    state,
    why,
    why_not_replaced,
)
from cardnet.v1.token_lifecycle_pb2 import TokenNotification
from cardnet.v1.token_pb2 import Token

REFUSED = 409

REPLACERS = ("operator", "issuer")
"""In whose name a card is given a new number."""

NUMBERS = {f"{card.name}'s successor": (card.successor, card.expiry) for card in TEST_CARDS if card.successor} | {
    card.name: (card.pan, card.expiry) for card in TEST_CARDS
}
"""Whose number it may be given: numbers with their expiries, as YYMM."""


@dataclass(frozen=True)
class Refusal:
    """That a change was refused, in words."""

    change: str
    """After "to"."""
    sentence: str


def routes(desk: TokenDesk, pages: Pages) -> list[Route]:
    """The pages of this room."""

    async def index(request: Request) -> Response:
        return await listed(request)

    async def replace(request: Request) -> Response:
        fields = await fields_of(request)
        card = test_card(one_of(fields, "card", tuple(card.name for card in TEST_CARDS)))
        number = one_of(fields, "number", tuple(NUMBERS))
        code = await desk.replace(card, *NUMBERS[number], one_of(fields, "party", REPLACERS))
        if code == ResponseCode.APPROVED:
            return back_to("/tokens")
        refusal = Refusal(f"give {card.name} the number of {number}", _sentence(code, why_not_replaced(code)))
        return await listed(request, refusal)

    async def listed(request: Request, refusal: Refusal | None = None) -> Response:
        tokens, all_of_them = await desk.tokens()
        requestors = await desk.requestors()
        return pages.show(
            request,
            "tokens.html",
            REFUSED if refusal else 200,
            tokens=[_line(token, requestors) for token in tokens],
            all_of_them=all_of_them,
            most=SHOWN,
            cards=TEST_CARDS,
            numbers=NUMBERS,
            parties=REPLACERS,
            refusal=refusal,
        )

    async def one(request: Request) -> Response:
        return await shown(request, await desk.token(request.path_params["reference"]))

    async def change(request: Request) -> Response:
        token = await desk.token(request.path_params["reference"])
        fields = await fields_of(request)
        action = one_of(fields, "action", tuple(CHANGES))
        party, cause = one_of(fields, "party", PARTIES), one_of(fields, "cause", CAUSES)
        if action == "delete" and fields.get("confirm") != "yes":
            raise InvalidField("confirm", "must be ticked: a token that is deleted never comes back")
        code = await desk.change(token, action, party, cause)
        if code == ResponseCode.APPROVED:
            return back_to(f"/tokens/{token.token_reference_id}")
        refusal = Refusal(f"{action} it", _sentence(code, why(code, CHANGES[action], party)))
        return await shown(request, await desk.token(token.token_reference_id), refusal)

    async def shown(request: Request, token: Token, refusal: Refusal | None = None) -> Response:
        told, untold = await _told(desk, token)
        known = document(token)
        return pages.show(
            request,
            "token.html",
            REFUSED if refusal else 200,
            known=known,
            state=state(known),
            facts=facts(token),
            may=MAY.get(known["state"], ()),
            parties=PARTIES,
            causes=CAUSES,
            told=told,
            untold=untold,
            refusal=refusal,
        )

    return [
        Route("/tokens", index),
        Route("/tokens", replace, methods=["POST"]),
        Route("/tokens/{reference}", one),
        Route("/tokens/{reference}", change, methods=["POST"]),
    ]


def _sentence(code: ResponseCode, reason: str) -> str:
    return f"{code} {code.meaning}: {reason}."


async def _told(desk: TokenDesk, token: Token) -> tuple[list[dict[str, Any]], str]:
    """What the requestor was told, or why that cannot be read: of a wallet's tokens nobody is told."""
    try:
        return [_event(one) for one in await desk.notifications(token)], ""
    except Fault as fault:
        return [], str(fault)


def _event(notification: TokenNotification) -> dict[str, Any]:
    known = notification_document(notification)
    return {**known, "state": state(known["token"]), "by": _by(known["party"], known["cause"])}


def _by(party: str, cause: str) -> str:
    """Who did it. The token service provider tells of its operator as of itself; but its own cause is no operator's."""
    return "operator" if party == TSP and cause in CAUSES else party


def _line(token: Token, requestors: dict[str, Requestor]) -> dict[str, Any]:
    known = document(token)
    requestor = requestors.get(token.token_requestor_id)
    return {**known, "shown_state": state(known), "requestor": requestor.identity if requestor else ""}
