"""What a browser does at the shop, without one."""

import json
import re
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import httpx

SavedCard = Callable[..., Awaitable[str]]
"""Puts a new card with so much money on a customer's file, and gives its name there."""


class Browser:
    """Keeps cookies, and says where its pages are from."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.client = httpx.AsyncClient(base_url=origin, headers={"origin": origin}, timeout=30)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.client.aclose()

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.client.get(path, headers=headers)

    async def submit(self, path: str, **fields: str) -> httpx.Response:
        """Post a plain form."""
        return await self.client.post(path, data=fields)

    async def send(self, path: str, fields: object) -> httpx.Response:
        """Post JSON, as the page's script does."""
        return await self.client.post(path, content=json.dumps(fields), headers={"content-type": "application/json"})

    async def sign_in(self, customer: str = "mina") -> httpx.Response:
        return await self.submit("/sign-in", customer=customer, next="/")

    async def order_key(self, product: str) -> str:
        """The key of the order on a product's page."""
        return attribute((await self.get(f"/checkout/{product}")).text, "data-order-key")

    async def pay_on_file(self, product: str, card: str, key: str = "") -> httpx.Response:
        key = key or await self.order_key(product)
        return await self.submit("/orders", product=product, orderKey=key, cardOnFile=card)

    async def receipt(self, answer: httpx.Response) -> str:
        """The receipt to which a form's answer leads."""
        assert answer.status_code == 303, answer.text
        return (await self.get(answer.headers["location"])).text


def attribute(page: str, name: str) -> str:
    """The first value of an attribute on a page."""
    found = re.search(rf'{name}="([^"]*)"', page)
    assert found, f"{name} is not on the page"
    return found[1]


def text_of(page: str, id_: str) -> str:
    """The text of the element with an id, tags left out."""
    found = re.search(rf'id="{id_}"[^>]*>(.*?)</(?:p|dd|code|h1)>', page, re.DOTALL)
    assert found, f"{id_} is not on the page"
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", found[1])).strip()


def members(answer: httpx.Response) -> dict[str, Any]:
    told: dict[str, Any] = answer.json()
    return told
