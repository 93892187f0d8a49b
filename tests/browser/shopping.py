"""What a person does at the shop and in the wallet's window, and what the receipt then says."""

from contextlib import suppress
from typing import NamedTuple

from person import Person
from playwright._impl._errors import TargetClosedError
from playwright.async_api import Page, expect

from cardnet.test_cards import TestCard, test_card
from cardnet.traces.trace import Trace

CODE = "123"


class Receipt(NamedTuple):
    """A receipt as it is on the page."""

    state: str
    response_code: str
    amount: str
    card: str
    rrn: str
    order: str
    trace: Trace | None

    @property
    def steps(self) -> list[int]:
        """The numbers of the steps that were taken."""
        return self.trace.numbers() if self.trace else []

    def field(self, step: int, label: str) -> str:
        """What a step carried in a field, as it may be shown."""
        assert self.trace
        return next(one for one in self.trace.steps if one.number == step).by_label()[label][1]


NINE = list(range(1, 10))


def typed(card: TestCard | str) -> tuple[str, str]:
    """A card as a person types it: number and expiry."""
    card = test_card(card) if isinstance(card, str) else card
    return " ".join(card.pan[at : at + 4] for at in range(0, 16, 4)), f"{card.expiry[2:]}/{card.expiry[:2]}"


async def open_checkout(person: Person, product: str = "tea") -> None:
    await person.page.goto(f"{person.shop}/checkout/{product}")


async def sign_in(person: Person, customer: str = "mina") -> None:
    page = person.page
    await page.goto(f"{person.shop}/sign-in")
    await page.locator(f"#customer-{customer}").check()
    await page.locator("#sign-in").click()
    await expect(page.locator("#customer-name")).to_be_visible()


async def type_card(person: Person, card: TestCard | str, *, keep: bool = False) -> None:
    page, (number, expiry) = person.page, typed(card)
    await page.locator("#card-number").fill(number)
    await page.locator("#card-expiry").fill(expiry)
    await page.locator("#card-code").fill(CODE)
    if keep:
        await page.locator("#card-keep").check()


async def pay_by_card(person: Person, card: TestCard | str, product: str = "tea", *, keep: bool = False) -> Receipt:
    await open_checkout(person, product)
    await type_card(person, card, keep=keep)
    await person.page.locator("#pay-card").click()
    return await receipt(person)


async def pay_on_file(person: Person, product: str = "tea") -> Receipt:
    """With the first of the cards on file."""
    await open_checkout(person, product)
    await person.page.locator("#pay-on-file").click()
    return await receipt(person)


async def open_wallet(person: Person, product: str = "tea", *, keep: bool = False) -> Page:
    """Press the shop's wallet button; gives the wallet's window, with its cards on show."""
    await open_checkout(person, product)
    if keep:
        await person.page.locator("#wallet-keep").check()
    await person.page.locator("#pay-wallet").click()
    window = await person.wallet_window()
    await window.locator("#payment").wait_for(state="visible")
    return window


async def confirm(window: Page, last_four: str = "", *, authenticated: bool = True) -> None:
    """Pick a card in the wallet's window, and pay."""
    if last_four:
        await window.locator(f"#cards input[data-last4='{last_four}']").check()
    if authenticated:
        await window.locator("#confirm").check()
    await press(window, "#pay")


async def press(window: Page, button: str) -> None:
    """A button that ends the payment: the browser may close the window before it has said that it was pressed."""
    with suppress(TargetClosedError):
        await window.locator(button).click()


async def pay_by_wallet(
    person: Person, product: str = "tea", last_four: str = "", *, keep: bool = False, authenticated: bool = True
) -> Receipt:
    await confirm(await open_wallet(person, product, keep=keep), last_four, authenticated=authenticated)
    return await receipt(person)


async def receipt(person: Person) -> Receipt:
    """The receipt that comes up next."""
    page = person.page
    await page.wait_for_url("**/orders/*")
    shown = page.locator("#receipt")
    trace_id = await shown.get_attribute("data-trace-id") or ""
    rrn = page.locator("#rrn")
    return Receipt(
        state=await shown.get_attribute("data-state") or "",
        response_code=await shown.get_attribute("data-response-code") or "",
        amount=await page.locator("#receipt-amount").inner_text(),
        card=await page.locator("#receipt-card").inner_text(),
        rrn=await rrn.inner_text() if await rrn.count() else "",
        order=page.url.rpartition("/")[2],
        trace=await person.network.trace(trace_id) if trace_id else None,
    )
