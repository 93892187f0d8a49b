"""The key to which wallets encrypt, at the address that payment requests name as keyProviderURL."""

import json
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from cardnet.problem import problem
from services.merchant.shop.site import Key, Keys

JWK = "application/jwk+json"
_FORMS = {
    JWK: JWK,
    "application/json": JWK,
    "application/*": JWK,
    "*/*": JWK,
    "application/x-pem-file": "application/x-pem-file",
    "application/pem-certificate-chain": "application/pem-certificate-chain",
    "application/pkix-cert": "application/x-pem-file",
    "application/x-x509-user-cert": "application/x-pem-file",
}
"""What may be asked for, and what is given then."""


def key_page(keys: Keys | None, wallet_origin: str) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that gives the key, as a JWK or as a PEM certificate. The wallet's pages may read it."""

    async def give(request: Request) -> Response:
        if keys is None:
            return problem(404, "this shop takes no cards from wallets")
        form = preferred(request.headers.get("accept", "*/*"))
        if not form:
            return problem(406, f"the key is to be had as {JWK} or application/x-pem-file")
        key: Key = await keys()
        body = json.dumps(dict(key.jwk)) if form == JWK else key.certificate
        headers = {"vary": "accept"} | ({"access-control-allow-origin": wallet_origin} if wallet_origin else {})
        return Response(body, media_type=form, headers=headers)

    return give


def preferred(accept: str) -> str:
    """The form of the key that an Accept header prefers: a media type, or empty where there is none that it takes."""
    wishes = [_wish(part) for part in accept.lower().split(",")]
    wishes = [(weight, kind) for weight, kind in wishes if weight > 0 and kind in _FORMS]
    return _FORMS[max(wishes, key=lambda wish: wish[0])[1]] if wishes else ""  # the first of those of equal weight


def _wish(part: str) -> tuple[float, str]:
    kind, *parameters = (piece.strip() for piece in part.split(";"))
    weight = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
    try:
        return float(weight[:5]), kind
    except ValueError:
        return 0.0, kind
