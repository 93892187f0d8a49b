"""What every web face refuses before its application is asked, and says to browsers with every answer.

Other sites' posts (who writes must say its own origin), names that are not the face's own (a page elsewhere whose name
was made to point here), bodies that are too long. What went wrong inside is never told.
"""

import logging
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cardnet.problem import refusal

MAX_BODY_BYTES = 16 * 1024
"""The largest request body that a face takes."""

MOST_READ_AWAY_BYTES = 1024 * 1024
"""How much of a body that is refused is read before it is said so."""

_ANOTHER_SITE = "a page of another site may not do this: its origin is not registered here"
_BROKE = "something broke here; the service's log says what"

_READING = ("GET", "HEAD", "OPTIONS")

log = logging.getLogger("cardnet")


class Guard:
    """An application behind these rules."""

    def __init__(
        self,
        app: ASGIApp,
        origin: str,
        *,
        policy: str,
        referrer: str = "no-referrer",
        writers: Iterable[str] = (),
    ) -> None:
        """origin: the face's own, as browsers write it. policy: its Content-Security-Policy. referrer: its
        Referrer-Policy. writers: other origins whose pages may post here.
        """
        self._app = app
        self._origin = origin
        self._host = origin.partition("://")[2]
        self._writers = {origin, *writers}
        self._says = {
            "content-security-policy": policy,
            "referrer-policy": referrer,
            "x-content-type-options": "nosniff",
            "cross-origin-resource-policy": "same-origin",
            "cache-control": "no-store",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        answered = False

        async def telling(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                headers = MutableHeaders(scope=message)
                for name, value in self._says.items():
                    headers.setdefault(name, value)
            await send(message)

        refused = self._refusal(scope)
        if refused:
            await _read_away(receive)
            await refused(scope, receive, telling)
            return
        body = await _whole(receive)
        if body is None:
            return  # nobody waits any more
        if len(body) > MAX_BODY_BYTES:
            await _read_away(receive)
            await _too_long(Headers(scope=scope))(scope, receive, telling)
            return
        try:
            await self._app(scope, _again(body, receive), telling)
        except Exception:
            log.exception("a page could not be shown")  # the text names no value: faults are made so
            if not answered:
                await refusal(Headers(scope=scope), 500, _BROKE)(scope, receive, telling)

    def _refusal(self, scope: Scope) -> Response | None:
        headers, method = Headers(scope=scope), scope["method"]
        if headers.get("host", "") != self._host:
            if method in _READING:
                asked = f"?{scope['query_string'].decode('ascii', 'replace')}" if scope["query_string"] else ""
                return RedirectResponse(f"{self._origin}{Request(scope).url.path}{asked}", 307)
            return refusal(headers, 421, f"this is {self._origin}: ask it by this name")
        if method not in _READING and headers.get("origin") not in self._writers:
            return refusal(headers, 403, _ANOTHER_SITE)
        if _length(headers) > MAX_BODY_BYTES:
            return _too_long(headers)
        return None


async def _whole(receive: Receive) -> bytes | None:
    """A request's body, or so much of it that it is too long; None where whoever asked has gone."""
    taken = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        taken += bytes(message.get("body", b""))
        if len(taken) > MAX_BODY_BYTES or not message.get("more_body", False):
            return taken


def _again(body: bytes, receive: Receive) -> Receive:
    """The body once more, for the application."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def give() -> Message:
        return left.pop() if left else await receive()

    return give


async def _read_away(receive: Receive) -> None:
    """Take what is still on its way, up to a limit: a browser whose words are cut off does not listen to the answer."""
    taken = 0
    while taken < MOST_READ_AWAY_BYTES:
        message = await receive()
        taken += len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return


def _length(headers: Headers) -> int:
    said = headers.get("content-length", "0")
    return int(said) if said.isascii() and said.isdigit() else 0


def _too_long(headers: Headers) -> Response:
    return refusal(headers, 413, f"a request's body may have {MAX_BODY_BYTES:,} bytes at the most")
