"""Whose wallet a request is about: a random name in a cookie, which says nothing else and can be ended in the store."""

import re
import secrets

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from cardnet.errors import NotFound
from services.wallet.cards import Cards
from services.wallet.domain import Card
from services.wallet.store import KEPT_S, RedisWallets, no_wallet

COOKIE = "cardnet-wallet"
_SESSION = re.compile(r"[A-Za-z0-9_-]{43}")


class Sessions:
    """The sessions of all who have a wallet open."""

    def __init__(self, wallets: RedisWallets, cards: Cards, *, secure: bool) -> None:
        """secure: whether the wallet is at https, so that its cookie need never go in the clear."""
        self._wallets = wallets
        self._cards = cards
        self._secure = secure

    async def open(self, request: Request) -> tuple[str, tuple[Card, ...]]:
        """The session of a request and its cards; whoever has none gets a new one, with the demo cards in it."""
        session = _session(request)
        cards = await self._wallets.cards(session) if session else None
        if cards is not None:
            return session, cards
        session, cards = secrets.token_urlsafe(32), await self._cards.demo()  # never a name that somebody else chose
        await self._wallets.open(session, cards)
        return session, cards

    async def visit(self, request: Request) -> tuple[str, tuple[Card, ...]]:
        """The same for a page: only who opens it gets a new wallet. HTTPException (403) for who merely fetches it.

        Other sites' pages can have a browser fetch any address, without its cookies and as often as they like.
        """
        if _opens_a_page(request):
            return await self.open(request)
        try:
            return await self.find(request)
        except NotFound:
            raise HTTPException(403) from None

    async def find(self, request: Request) -> tuple[str, tuple[Card, ...]]:
        """The session of a request and its cards; NotFound where there is none."""
        session = _session(request)
        cards = await self._wallets.cards(session) if session else None
        if cards is None:
            raise no_wallet()
        return session, cards

    def remember(self, session: str, response: Response) -> Response:
        """The response, which has the browser keep its session: for all paths of this host, and for no other host."""
        response.set_cookie(
            COOKIE, session, max_age=KEPT_S, path="/", httponly=True, samesite="lax", secure=self._secure
        )
        return response


def _opens_a_page(request: Request) -> bool:
    """What does not say what it asks for (programs, old browsers) is taken for somebody who opens a page."""
    return request.headers.get("sec-fetch-dest", "document") == "document"


def _session(request: Request) -> str:
    said = request.cookies.get(COOKIE, "")
    return said if _SESSION.fullmatch(said) else ""
