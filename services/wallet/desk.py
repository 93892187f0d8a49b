"""What the wallet's pages ask for: the cards, what fits a payment request, and a token to pay with."""

import json
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cardnet.env import Clock
from cardnet.errors import InvalidField, NotFound
from cardnet.problem import problem
from cardnet.rules import RULES
from services.wallet.cards import Cards, Refused
from services.wallet.domain import (
    Card,
    PaymentAsked,
    adding_notice,
    claims,
    clear_part,
    fits,
    nickname_fault,
    passcode_notice,
    refusal_notice,
    supported,
)
from services.wallet.payment_request import data_of, listed, read
from services.wallet.sessions import Sessions
from services.wallet.store import RedisWallets

HOLDER = "Ada"
"""The person in whose name every wallet here is."""


class Desk:
    """Answers the wallet's pages. What is about one person's cards is about the session's alone."""

    def __init__(
        self, cards: Cards, wallets: RedisWallets, clock: Clock, identifier: str, key_origins: frozenset[str]
    ) -> None:
        """identifier: the wallet's payment method. key_origins: where the payees' keys may come from."""
        self._cards = cards
        self._wallets = wallets
        self._sessions = Sessions(wallets, cards, secure=identifier.startswith("https:"))
        self._clock = clock
        self._identifier = identifier
        self._key_origins = key_origins

    def routes(self) -> list[Route]:
        """What is asked for, and who answers."""
        return [
            Route("/v1/encryption-key", self._encryption_key),
            Route("/v1/cards", self._add, methods=["POST"]),
            Route("/v1/cards/{id}", self._remove, methods=["DELETE"]),
            Route("/v1/cards/{id}/passcode", self._confirm, methods=["POST"]),
            Route("/v1/support", self._support, methods=["POST"]),
            Route("/v1/offers", self._offers, methods=["POST"]),
            Route("/v1/tokenized-cards", self._tokenized_card, methods=["POST"]),
        ]

    def page(self, show: Callable[..., Response]) -> Callable[[Request], Any]:
        """The wallet's home, as this shows it."""

        async def home(request: Request) -> Response:
            session, cards = await self._sessions.visit(request)
            return self._sessions.remember(session, show(request, holder=HOLDER, cards=cards))

        return home

    async def _encryption_key(self, request: Request) -> Response:  # noqa: ARG002 - every route gets it
        key = await self._cards.encryption_key()
        return JSONResponse({"kid": key.key_id, "pem": key.public_key})

    async def _add(self, request: Request) -> Response:
        session, _ = await self._sessions.find(request)
        body = await _body(request)
        nickname, encrypted = body.get("nickname"), body.get("encryptedCard")
        fault = nickname_fault(nickname) if isinstance(nickname, str) else "must be a text"
        if not isinstance(nickname, str) or fault:
            raise InvalidField("nickname", fault or "")
        if not isinstance(encrypted, str) or RULES["JWE"].check(encrypted):
            raise InvalidField("encryptedCard", "must be a compact JWE")
        card = await self._cards.add(encrypted, nickname.strip())
        if isinstance(card, Refused):
            return problem(422, adding_notice(card.response_code), responseCode=card.response_code)
        await self._wallets.put(session, card)
        return JSONResponse(_shown(card), 201)

    async def _remove(self, request: Request) -> Response:
        session, _ = await self._sessions.find(request)
        await self._wallets.remove(session, request.path_params["id"])
        return Response(status_code=204)

    async def _confirm(self, request: Request) -> Response:
        session, cards = await self._sessions.find(request)
        card = _card(cards, request.path_params["id"])
        passcode = (await _body(request)).get("passcode")
        if not isinstance(passcode, str) or RULES["PASSCODE"].check(passcode):
            raise InvalidField("passcode", "must be 6 digits")
        answer = await self._cards.confirm(card, passcode)
        if answer.response_code != "00":
            return problem(422, passcode_notice(answer.response_code), responseCode=answer.response_code)
        await self._wallets.put(session, replace(card, confirmed=True))
        return JSONResponse(_shown(replace(card, confirmed=True)))

    async def _support(self, request: Request) -> Response:
        """Whether a wallet may hold a card that fits: what a shop learns unseen tells nothing of this one's cards."""
        body = await _body(request)
        told = not body.get("methodData") or supported(*listed(data_of(body, self._identifier)))
        return JSONResponse({"supported": told})

    async def _offers(self, request: Request) -> Response:
        """What is to be paid, and the cards that fit it."""
        asked = self._asked(await _body(request))
        session, cards = await self._sessions.open(request)
        offer = {
            "holder": HOLDER,
            "topOrigin": asked.top_origin,
            "amount": str(asked.total),
            "usage": asked.card.usage,
            "payee": asked.card.payee_id,
            "keyProviderURL": asked.card.key_provider_url,
            "cards": [_shown(card) for card in cards if fits(card, asked.card)],
        }
        return self._sessions.remember(session, JSONResponse(offer))

    async def _tokenized_card(self, request: Request) -> Response:
        """What to tell the shop's page, and what to encrypt for the payee. Asked again, it is given again."""
        body = await _body(request)
        asked = self._asked(body.get("request"))
        authenticated = body.get("userAuthenticated", False)
        if not isinstance(authenticated, bool):
            raise InvalidField("userAuthenticated", "must be true or false")
        session, cards = await self._sessions.find(request)
        card = _card(cards, body.get("card"))
        if not fits(card, asked.card):
            raise InvalidField("card", "must be one that fits the request")
        provided = await self._cards.provide(card, asked, user_authenticated=authenticated)
        if isinstance(provided, Refused):
            code = provided.response_code
            return JSONResponse({"status": "declined", "responseCode": code, "notice": refusal_notice(code)})
        await self._wallets.paid_with(session)
        given = claims(provided, asked, self._clock.now(), secrets.token_urlsafe(16))
        return JSONResponse({"clear": clear_part(provided, asked.card), "claims": given})

    def _asked(self, body: object) -> PaymentAsked:
        return read(body, self._identifier, self._key_origins)


def _card(cards: tuple[Card, ...], id_: object) -> Card:
    for card in cards:
        if card.id == id_:
            return card
    raise NotFound("CARD_NOT_IN_WALLET", "this wallet has no such card, or not any more")


def _shown(card: Card) -> dict[str, object]:
    """A card as its holder sees it."""
    return {
        "id": card.id,
        "last4": card.last_four,
        "network": card.network,
        "type": card.type,
        "nickname": card.nickname,
        "confirmed": card.confirmed,
    }


async def _body(request: Request) -> dict[str, Any]:
    """A request's body as JSON. InvalidField where it is none, or no object."""
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise InvalidField("body", "must be a JSON object")
    return body
