"""The story, and what each test card makes of it."""

from asyncio import gather
from collections import Counter
from collections.abc import Sequence

import pytest
from leap import leaping
from shop import WITH_CRYPTOGRAM, Shop

from cardnet.cardholder import CardNotSaved
from cardnet.money import Money
from cardnet.response_code import ResponseCode as Code
from cardnet.steps import ISSUER_SILENT, STEPS, WITHOUT_ISSUER, Step
from cardnet.testing import TEST_CARDS, LocalNetwork, TestCard

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_card_on_file_payment_takes_the_nine_steps(either_network: LocalNetwork) -> None:
    network = either_network
    card = await network.open_account(balance="100.00 EUR")
    on_file = await network.save_card(card)

    payment = await network.checkout(on_file, amount="12.50 EUR")

    assert payment.response_code is Code.APPROVED
    assert payment.steps == STEPS
    assert not payment.trace.missing
    assert await network.balance(card) == Money.parse("87.50 EUR")


def steps_with(card: TestCard) -> Sequence[Step]:
    if card.token_state == "SUSPENDED" or card.verification.startswith("PASSCODE"):
        return WITHOUT_ISSUER
    return ISSUER_SILENT if card.status == "SILENT" else STEPS


SAVED = [card for card in TEST_CARDS if card.saving_outcome.approved]
NOT_SAVED = [card for card in TEST_CARDS if not card.saving_outcome.approved]


@pytest.mark.parametrize("card", NOT_SAVED, ids=lambda card: card.name)
async def test_a_test_card_that_cannot_be_saved_brings_its_outcome_before_there_is_anything_to_pay_with(
    network: LocalNetwork, card: TestCard
) -> None:
    before = await network.balance(card)

    for _ in range(2):
        with pytest.raises(CardNotSaved) as refused:
            await network.save_card(card)
        assert refused.value.response_code is card.saving_outcome

    assert await network.balance(card) == before


@pytest.mark.parametrize("card", SAVED, ids=lambda card: card.name)
async def test_a_test_card_brings_its_outcome_and_its_steps(network: LocalNetwork, card: TestCard) -> None:
    before = await network.balance(card)
    on_file = await network.save_card(card)

    with leaping():  # for the card of which its issuer never says anything
        payment = await network.checkout(on_file, Money(1240, card.balance.currency))

    assert payment.response_code is card.outcome
    assert payment.steps == steps_with(card)
    assert not payment.trace.missing
    spent = 1240 if card.outcome.approved else 0
    assert await network.balance(card) == Money(before.minor - spent, before.currency)


async def test_thirty_two_payments_at_once_for_the_last_1_00_approve_exactly_one(either_network: LocalNetwork) -> None:
    network = either_network
    card = await network.open_account(balance="1.00 USD")
    on_file = await network.save_card(card)

    payments = await gather(*(network.checkout(on_file, "1.00 USD") for _ in range(32)))

    assert Counter(payment.response_code for payment in payments) == {Code.APPROVED: 1, Code.INSUFFICIENT_FUNDS: 31}
    account = await network.account(card)
    assert (account.available_minor, account.held_minor, account.holds) == (0, 100, 1)


async def test_one_cryptogram_used_thirty_two_times_at_once_passes_exactly_once(either_network: LocalNetwork) -> None:
    network, shop = either_network, Shop(either_network)
    card = await network.open_account(balance="1000.00 USD")
    token = await shop.with_cryptogram(await shop.token(card, WITH_CRYPTOGRAM))

    payments = await gather(*(shop.checkout(token) for _ in range(32)))

    assert Counter(payment.response_code for payment in payments) == {Code.APPROVED: 1, Code.CRYPTOGRAM_FAILURE: 31}
    assert (await network.account(card)).holds == 1
