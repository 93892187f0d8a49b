"""A shop's page of one's own: asks the wallet by the Payment Request API for just what a test wants to have asked."""

import json
from dataclasses import dataclass, field
from typing import Any

from person import Person
from playwright.async_api import Page
from shopping import confirm

SHOW = """([method, data, total, id]) => {
    const details = { id, total: { label: "Total", amount: total } };
    const request = new PaymentRequest([{ supportedMethods: method, data }], details);
    window.asked = request.show().then(
        (response) => response.complete("success").then(() => ({ id: request.id, details: response.details })),
        (error) => ({ error: error.name }),
    );
}"""


@dataclass
class Payee:
    """Who asks, from the shop's own origin."""

    person: Person
    data: dict[str, Any] = field(default_factory=dict)
    total: tuple[str, str] = ("USD", "12.40")
    id: str = "request-1"
    window: Page | None = None

    @property
    def usual(self) -> dict[str, Any]:
        return {"keyProviderURL": f"{self.person.shop}/payment-key", "supportedNetworks": ["cardnet"]}

    async def ask(self) -> Page:
        """Open the wallet's window; `data` comes beside what is usual, and None takes a member away."""
        await self.person.page.goto(f"{self.person.shop}/")
        data = {name: value for name, value in (self.usual | self.data).items() if value is not None}
        total = dict(zip(("currency", "value"), self.total, strict=True))
        await self.person.page.evaluate(SHOW, [f"{self.person.wallet}/pay", data, total, self.id])
        self.window = await self.person.wallet_window()
        return self.window

    async def cards(self) -> list[str]:
        """The last four digits of the cards that the window shows."""
        window = await self.ask()
        await window.locator("#payment:visible, #trouble:visible").wait_for()
        radios = window.locator("#cards input")
        found: list[str] = await radios.evaluate_all("all => all.map((one) => one.dataset.last4)")
        return found

    async def trouble(self) -> str:
        """What the window says where it cannot go on."""
        window = await self.ask()
        await window.locator("#trouble").wait_for(state="visible")
        return await window.locator("#message").inner_text()

    async def answer(self) -> dict[str, Any]:
        """What the page is given in the end."""
        given: dict[str, Any] = await self.person.page.evaluate("window.asked")
        return given

    async def paid(self, last_four: str = "", *, authenticated: bool = True) -> dict[str, Any]:
        """The `details` after somebody picked a card."""
        window = await self.ask()
        await window.locator("#payment").wait_for(state="visible")
        await confirm(window, last_four, authenticated=authenticated)
        given = await self.answer()
        assert set(given) == {"id", "details"}, json.dumps(given)
        details: dict[str, Any] = given["details"]
        return details
