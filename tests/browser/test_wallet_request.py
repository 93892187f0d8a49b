"""Tokenized card by Payment Request: what the page asks for and is told, B01 to B10, B21 and B22."""

import pytest
from payee import Payee
from person import Person
from shopping import NINE, open_checkout, pay_by_wallet, pay_on_file, receipt, sign_in

from cardnet.test_cards import test_card

CREDIT, DEBIT = test_card("approved"), test_card("approved-debit")


async def cards_on_offer(person: Person) -> int:
    """How many cards on file the shop offers to pay with."""
    await open_checkout(person, "notebook")
    return await person.page.locator("#on-file-form input[name=cardOnFile]").count()


async def test_a_payment_handler_answers_with_a_token_and_dynamic_data(person: Person) -> None:
    details = await Payee(person).paid(CREDIT.last_four)
    assert set(details) == {
        *("displayLast4", "displayExpiryMonth", "displayExpiryYear", "displayNetwork", "encryptedDetails"),
    }
    first, second = details["encryptedDetails"], (await Payee(person).paid(CREDIT.last_four))["encryptedDetails"]
    assert first != second


@pytest.mark.parametrize(
    ("networks", "shown"),
    [(["cardnet"], True), (None, True), ([], True), (["visa", "cardnet"], True), (["visa", "mastercard"], False)],
)
async def test_only_cards_of_supported_networks_are_shown(
    person: Person, networks: list[str] | None, shown: bool
) -> None:
    assert bool(await Payee(person, {"supportedNetworks": networks}).cards()) is shown


@pytest.mark.parametrize(
    ("types", "which"),
    [(["debit"], {DEBIT.last_four}), (["prepaid"], set()), (["prepaid", "debit"], {DEBIT.last_four})],
)
async def test_only_cards_of_supported_types_are_shown(person: Person, types: list[str], which: set[str]) -> None:
    assert set(await Payee(person, {"supportedTypes": types}).cards()) == which


async def test_credit_cards_are_no_debit_cards(person: Person) -> None:
    credit = set(await Payee(person, {"supportedTypes": ["credit"]}).cards())
    assert CREDIT.last_four in credit and DEBIT.last_four not in credit


@pytest.mark.parametrize(("kinds", "shown"), [(["SIM-TAVV"], True), (["UCAF", "SIM-TAVV"], True), (["UCAF"], False)])
async def test_the_payee_may_say_which_cryptograms_it_takes(person: Person, kinds: list[str], shown: bool) -> None:
    assert bool(await Payee(person, {"supportedCryptogramTypes": kinds}).cards()) is shown


@pytest.mark.parametrize("url", [None, "", "ftp://localhost/key", "http://shop.example/key", "http://localhost:1/key"])
async def test_a_key_provider_must_be_named_and_trusted(person: Person, url: str | None) -> None:
    assert "keyProviderURL" in await Payee(person, {"keyProviderURL": url}).trouble()


@pytest.mark.parametrize(
    ("usage", "words"),
    [
        (None, "this payment alone"),
        ("one-time", "this payment alone"),
        ("for-ever", "this payment alone"),
        ("card-on-file", "keeps this card"),
        ("recurring", "as you agreed"),
    ],
)
async def test_usage_is_one_time_unless_it_is_another_that_is_known(
    person: Person, usage: str | None, words: str
) -> None:
    payee = Payee(person, {"usageType": usage})
    assert await payee.cards()
    assert payee.window
    assert words in await payee.window.locator("#usage").inner_text()


async def test_a_card_on_file_pays_again_by_customer(person: Person) -> None:
    await sign_in(person, "aiko")
    first = await pay_by_wallet(person, "tea", CREDIT.last_four, keep=True)
    assert (first.state, first.steps) == ("approved", NINE)
    again = await pay_on_file(person, "notebook")
    assert (again.state, again.amount, again.steps) == ("approved", "9.50 USD", NINE)


async def test_a_subscription_is_charged_by_the_shop_for_its_agreement_alone(person: Person) -> None:
    await sign_in(person, "mina")
    before = await cards_on_offer(person)
    first = await pay_by_wallet(person, "club", CREDIT.last_four)
    assert (first.state, first.steps) == ("approved", NINE)
    await person.page.locator("#charge-next-month").click()
    await person.page.wait_for_url(lambda url: not url.endswith(first.order))
    month = await receipt(person)
    assert (month.state, month.steps) == ("approved", NINE)
    assert await cards_on_offer(person) == before  # its card is not on offer for anything else


async def test_a_token_may_be_constrained_to_one_payee(person: Person) -> None:
    assert "encryptedDetails" in await Payee(person, {"payeeID": "MERCHANT0000001"}).paid(CREDIT.last_four)
    declined = await Payee(person, {"payeeID": "MERCHANT0000002"}, id="request-2").paid(CREDIT.last_four)
    assert (declined["status"], declined["responseCode"]) == ("declined", "57")


async def test_expiry_and_network_on_show_are_the_cards(person: Person) -> None:
    details = await Payee(person).paid(CREDIT.last_four)
    assert details["displayExpiryMonth"] == CREDIT.expiry[2:]
    assert details["displayExpiryYear"] == f"20{CREDIT.expiry[:2]}"
    assert details["displayNetwork"] == "cardnet"


async def test_the_cards_last_digits_are_on_show_and_no_other_name_of_it(person: Person) -> None:
    details = await Payee(person).paid(DEBIT.last_four)
    assert details["displayLast4"] == DEBIT.last_four
    assert "displayMaskedCard" not in details
