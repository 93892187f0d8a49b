"""One-time tokens (invariant I8): one authorisation and no more, however many come, and a repeat of it is no second."""

import asyncio

import pytest
from tsp_provider import ALL, ON_FILE, ONE_TIME, SHOP, Provider, merchant, use

from cardnet.cde.v1 import token_vault_pb2 as pb
from cardnet.v1 import payment_pb2

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXHAUSTED = (pb.REFUSAL_USAGE_EXHAUSTED, "65", "")


def told(card: pb.DetokeniseResponse) -> tuple[int, str, str]:
    return card.refusal, card.response_code, card.pan


async def test_of_thirty_two_payments_at_once_with_a_one_time_token_one_passes(shared: Provider) -> None:
    pan = shared.new_pan()
    token = await shared.new_token(ONE_TIME, pan)

    cards = await asyncio.gather(*(shared.vault.Detokenise(use(token)) for _ in range(32)))

    assert sorted(told(card) for card in cards) == [(0, "", pan)] + [EXHAUSTED] * 31


async def test_a_second_payment_is_refused_and_no_later_one_passes_either(shared: Provider) -> None:
    token = await shared.new_token(ONE_TIME)
    assert (await shared.vault.Detokenise(use(token))).pan

    for _ in range(3):
        card = await shared.vault.Detokenise(use(token))
        assert told(card) == EXHAUSTED
        assert pb.CONTROL_USAGE not in card.controls_passed


async def test_a_repeat_of_the_same_transaction_is_no_second_use(shared: Provider) -> None:
    token = await shared.new_token(ONE_TIME)
    asked = use(token)
    first = await shared.vault.Detokenise(asked)

    again = await asyncio.gather(*(shared.vault.Detokenise(asked) for _ in range(8)))

    assert first.pan
    assert again == [first] * 8
    assert told(await shared.vault.Detokenise(use(token))) == EXHAUSTED


async def test_the_repeat_of_a_refused_second_payment_is_refused_again(shared: Provider) -> None:
    token = await shared.new_token(ONE_TIME)
    assert (await shared.vault.Detokenise(use(token))).pan

    second = use(token)
    assert [told(await shared.vault.Detokenise(second)) for _ in range(2)] == [EXHAUSTED] * 2


async def test_the_use_is_named_among_the_controls_that_passed(shared: Provider) -> None:
    one_time, on_file = await shared.new_token(ONE_TIME), await shared.new_token(ON_FILE)

    card = await shared.vault.Detokenise(use(one_time, trid=ONE_TIME))
    assert list(card.controls_passed) == [*ALL[:-1], pb.CONTROL_USAGE]

    card = await shared.vault.Detokenise(use(on_file, trid=ON_FILE))
    assert list(card.controls_passed) == ALL[:-1]


@pytest.mark.parametrize(
    "changes",
    [
        {"merchant": merchant(merchant_domain="evil.example")},
        {"pos_entry_mode": payment_pb2.POS_ENTRY_MODE_MANUAL},
        {"trid": ON_FILE},
        {"amount_minor": 7762},
    ],
    ids=["merchant", "entry mode", "requestor", "on demand"],
)
async def test_a_payment_that_is_refused_does_not_use_the_token_up(
    shared: Provider, changes: dict[str, object]
) -> None:
    token = await shared.new_token(ONE_TIME)

    assert (await shared.vault.Detokenise(use(token, **changes))).refusal
    assert (await shared.vault.Detokenise(use(token))).pan


async def test_a_late_original_that_was_reversed_does_not_use_the_token_up(shared: Provider) -> None:
    token = await shared.new_token(ONE_TIME)
    late = use(token)
    await shared.recall(late)

    assert (await shared.vault.Detokenise(late)).refusal == pb.REFUSAL_TRANSACTION_REVERSED
    assert (await shared.vault.Detokenise(use(token))).pan


async def test_a_payment_that_was_reversed_was_the_one_that_there_may_be(shared: Provider) -> None:
    token = await shared.new_token(ONE_TIME)
    asked = use(token)
    assert (await shared.vault.Detokenise(asked)).pan
    await shared.recall(asked)

    assert told(await shared.vault.Detokenise(use(token))) == EXHAUSTED


async def test_resuming_a_used_token_does_not_give_it_another_use(shared: Provider) -> None:
    token = await shared.new_token(ONE_TIME)
    assert (await shared.vault.Detokenise(use(token))).pan
    assert (await shared.act("issuer", "Suspend", token)).response_code == "00"
    assert (await shared.act("issuer", "Resume", token)).response_code == "00"

    assert told(await shared.vault.Detokenise(use(token))) == EXHAUSTED


async def test_a_use_races_a_suspension_and_leaves_one_approval_at_the_most(shared: Provider) -> None:
    token = await shared.new_token(ONE_TIME)

    early = [asyncio.create_task(shared.vault.Detokenise(use(token))) for _ in range(8)]
    assert (await shared.act("issuer", "Suspend", token)).response_code == "00"
    late = [await shared.vault.Detokenise(use(token, merchant=SHOP)) for _ in range(4)]

    assert sum(bool(card.pan) for card in await asyncio.gather(*early)) <= 1
    assert {card.refusal for card in late} == {pb.REFUSAL_TOKEN_SUSPENDED}


async def test_a_token_on_file_is_good_as_often_as_the_cardholder_buys(shared: Provider) -> None:
    token = await shared.new_token(ON_FILE)

    cards = await asyncio.gather(*(shared.vault.Detokenise(use(token)) for _ in range(32)))

    assert all(card.pan for card in cards)


async def test_a_card_whose_one_time_token_is_used_gets_another(shared: Provider) -> None:
    pan = shared.new_pan()
    token = await shared.new_token(ONE_TIME, pan)
    assert (await shared.new_token(ONE_TIME, pan)).payment_token == token.payment_token
    assert (await shared.vault.Detokenise(use(token))).pan == pan
    other = await shared.new_token(ONE_TIME, pan)
    assert other.payment_token != token.payment_token
    assert (await shared.vault.Detokenise(use(other))).pan == pan
