"""A page of a shop, as the token service's face meets it: it encrypts cards, posts them and gets tokens."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from joserfc.jwk import RSAKey
from tsp_provider import ON_FILE, PAN, Provider, started

from cardnet.embedded_store import EmbeddedStore
from cardnet.encrypted_card import encrypt
from cardnet.v1 import token_service_pb2 as ts
from cardnet.v1.token_service_pb2_grpc import TokenServiceStub

HERE = "http://localhost:8081"
"""The token service's own origin."""
SHOP, SECOND_SHOP, OTHER_SHOP, NOBODY = (
    "http://localhost:8080",
    "https://shop.example",
    "https://other-shop.example:8443",
    "https://elsewhere.example",
)
ORIGINS = f"merchant={SHOP}, merchant={SECOND_SHOP},other-merchant={OTHER_SHOP}"
MERCHANT, OTHER_MERCHANT = "MERCHANT0000001", "MERCHANT0000002"


class ShopPage:
    """A page of SHOP, unless a request says otherwise."""

    def __init__(self, tsp: Provider) -> None:
        self.tsp = tsp
        assert tsp.service.face
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(tsp.service.face), base_url=HERE)

    async def key(self) -> dict[str, Any]:
        return (await self.client.get("/v1/key", headers={"origin": SHOP})).json()

    async def encrypted(self, pan: str = PAN, expiry: str = "3011", code: str = "") -> str:
        key = await self.key()
        return encrypt(pan, expiry, key["kid"], RSAKey.import_key(key["jwk"]).as_pem(private=False).decode(), code)

    async def post(self, body: Any, origin: str = SHOP, **headers: str) -> httpx.Response:
        """Post a body: a dictionary as JSON, bytes as they are."""
        said = {"content-type": "application/json", **({"origin": origin} if origin else {}), **headers}
        content = {"content": body} if isinstance(body, bytes) else {"json": body}
        return await self.client.post("/v1/tokens", headers=said, **content)

    async def send(self, card: str, origin: str = SHOP, **changes: Any) -> httpx.Response:
        """Post an encrypted card."""
        body = {"merchantId": MERCHANT, "serviceId": "001", "encryptedCard": card, **changes}
        return await self.post(body, origin)

    async def token(self, pan: str = "", origin: str = SHOP, **changes: Any) -> str:
        """A browser token for a card of its own, or for this one."""
        answer = await self.send(await self.encrypted(pan or self.tsp.new_pan()), origin, **changes)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    async def exchange(self, token: str, trid: str = ON_FILE, caller: str = "merchant", **changes: str) -> Any:
        """What the merchant's server gets for a browser token."""
        fields = {"value": token, "service_id": "001", "origin": SHOP, "used_for": "order-1", **changes}
        request = ts.RequestTokenRequest(token_requestor_id=trid, browser_token=ts.BrowserToken(**fields))
        return await self.tsp.stub(TokenServiceStub, caller).RequestToken(request)


@asynccontextmanager
async def opened(store: EmbeddedStore, **settings: object) -> AsyncIterator[ShopPage]:
    """A shop's page, and a token service behind it."""
    async with started(store, **{"origins": ORIGINS, "web_origin": HERE, **settings}) as provider:
        page = ShopPage(provider)
        async with page.client:
            yield page


def told(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, field and rule of a problem."""
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    return answer.status_code, problem.get("field", ""), problem.get("rule", "")
