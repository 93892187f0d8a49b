"""The tests' persons share a browser, and nothing in it."""

from chromium import Chromium, Chromiums
from person import Person
from playwright.async_api import Page
from shopping import pay_by_wallet, sign_in

from cardnet.testing import LocalNetwork

WORKERS = "async () => (await navigator.serviceWorker.getRegistrations()).map((one) => one.scope)"


async def workers(page: Page, origin: str) -> list[str]:
    """The service workers that an origin has in somebody's browser: the wallet's takes part in payments."""
    await page.goto(f"{origin}/")
    found: list[str] = await page.evaluate(WORKERS)
    return found


async def test_another_person_has_no_cookie_and_no_service_worker_of_the_first(
    network: LocalNetwork, chromium: Chromium, person: Person
) -> None:
    await sign_in(person)
    assert (await pay_by_wallet(person)).state == "approved"
    async with Person.at(chromium, network) as other:
        assert await other.context.cookies() == []
        assert await workers(other.page, network.origins["wallet"]) == []
    assert await person.context.cookies() != []
    assert await workers(person.page, network.origins["wallet"]) != []


async def test_where_the_browser_has_died_the_next_person_gets_another(
    network: LocalNetwork, chromiums: Chromiums
) -> None:
    first = await chromiums.one()
    assert await chromiums.one() is first
    await first.crash()
    async with Person.at(await chromiums.one(), network) as person:
        await sign_in(person)
