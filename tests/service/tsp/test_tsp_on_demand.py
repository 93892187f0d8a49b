"""Refusals on demand: an amount that ends in 77 and a response code brings that refusal about, and nothing else."""

import asyncio
from typing import Any

import pytest
from tsp_provider import ONE_TIME, WITH_CRYPTOGRAM, Provider, merchant, started, use

from cardnet.cde.v1 import token_vault_pb2 as pb
from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import Unavailable
from cardnet.v1.token_pb2 import TOKEN_STATE_ACTIVE
from cardnet.v1.token_service_pb2 import AMOUNT_BINDING_NONE

pytestmark = pytest.mark.asyncio(loop_scope="module")

REFUSALS = {
    7714: pb.REFUSAL_TOKEN_UNKNOWN,
    7754: pb.REFUSAL_TOKEN_EXPIRED,
    7757: pb.REFUSAL_MERCHANT_NOT_ALLOWED,
    7758: pb.REFUSAL_ENTRY_MODE_NOT_ALLOWED,
    7762: pb.REFUSAL_TOKEN_SUSPENDED,
    7763: pb.REFUSAL_CRYPTOGRAM_MISSING,
    7765: pb.REFUSAL_USAGE_EXHAUSTED,
    7778: pb.REFUSAL_TOKEN_DELETED,
    7782: pb.REFUSAL_CRYPTOGRAM_WRONG,
}
OUTAGE = 7796
OF_NO_REFUSAL = (7700, 7713, 7751, 7799, 77, 62, 7862, 77620)


def told(card: pb.DetokeniseResponse) -> tuple[int, str]:
    return card.refusal, card.response_code


@pytest.mark.parametrize("before", [0, 10_000, 999_999_990_000])
@pytest.mark.parametrize("ending", REFUSALS)
async def test_an_amount_brings_its_refusal_about(shared: Provider, ending: int, before: int) -> None:
    card = await shared.vault.Detokenise(use(await shared.new_token(), amount_minor=before + ending))

    assert told(card) == (REFUSALS[ending], f"{ending % 100:02}")
    assert card == pb.DetokeniseResponse(
        refusal=card.refusal, response_code=card.response_code, controls_passed=card.controls_passed
    )


async def test_an_amount_brings_an_outage_about(shared: Provider) -> None:
    token = await shared.new_token()
    with pytest.raises(Unavailable):
        await shared.vault.Detokenise(use(token, amount_minor=OUTAGE))
    assert (await shared.vault.Detokenise(use(token))).pan


@pytest.mark.parametrize("amount_minor", OF_NO_REFUSAL)
async def test_other_amounts_bring_nothing_about(shared: Provider, amount_minor: int) -> None:
    assert (await shared.vault.Detokenise(use(await shared.new_token(), amount_minor=amount_minor))).pan


async def test_a_refusal_on_demand_leaves_the_token_as_it_is(shared: Provider) -> None:
    pan = shared.new_pan()
    token = await shared.new_token(ONE_TIME, pan)
    before = await shared.shown(token)

    for ending in REFUSALS:
        asked = use(token, amount_minor=ending)
        assert (await shared.vault.Detokenise(asked)).refusal
        assert (await shared.find(asked)).response_code == "25"

    assert await shared.shown(token) == before
    assert (await shared.vault.Detokenise(use(token))).pan == pan  # its one use is still there


async def test_it_counts_as_no_failed_cryptogram(shared: Provider) -> None:
    token = await shared.new_token(WITH_CRYPTOGRAM)
    made = await shared.request_cryptogram(token, amount_minor=7782)

    for _ in range(12):
        card = await shared.vault.Detokenise(use(token, made.cryptogram, amount_minor=7782))
        assert told(card) == (pb.REFUSAL_CRYPTOGRAM_WRONG, "82")

    assert (await shared.shown(token)).state == TOKEN_STATE_ACTIVE


async def test_it_does_not_use_the_cryptogram_up(shared: Provider) -> None:
    token = await shared.new_token(WITH_CRYPTOGRAM)
    made = await shared.request_cryptogram(token, amount_binding=AMOUNT_BINDING_NONE)

    for ending in REFUSALS:
        assert (await shared.vault.Detokenise(use(token, made.cryptogram, amount_minor=ending))).refusal

    assert (await shared.vault.Detokenise(use(token, made.cryptogram))).pan


async def test_a_repeat_is_refused_alike(shared: Provider) -> None:
    asked = use(await shared.new_token(), amount_minor=7762)

    cards = await asyncio.gather(*(shared.vault.Detokenise(asked) for _ in range(4)))

    assert cards == [cards[0]] * 4


@pytest.mark.parametrize("ending", [7754, 7782, OUTAGE])
async def test_what_is_really_wrong_comes_first(shared: Provider, ending: int) -> None:
    token = await shared.new_token()
    elsewhere: Any = merchant(merchant_domain="evil.example")
    card = await shared.vault.Detokenise(use(token, amount_minor=ending, merchant=elsewhere))
    assert told(card) == (pb.REFUSAL_MERCHANT_NOT_ALLOWED, "57")

    await shared.act("issuer", "Suspend", token)
    card = await shared.vault.Detokenise(use(token, amount_minor=ending))
    assert told(card) == (pb.REFUSAL_TOKEN_SUSPENDED, "62")


async def test_the_control_that_it_belongs_to_is_not_said_to_have_passed(shared: Provider) -> None:
    controls = {
        7714: pb.CONTROL_TOKEN,
        7754: pb.CONTROL_TOKEN_EXPIRY,
        7757: pb.CONTROL_MERCHANT,
        7758: pb.CONTROL_POS_ENTRY_MODE,
        7762: pb.CONTROL_TOKEN_STATE,
        7763: pb.CONTROL_CRYPTOGRAM,
        7765: pb.CONTROL_USAGE,
        7778: pb.CONTROL_TOKEN_STATE,
        7782: pb.CONTROL_CRYPTOGRAM,
    }
    token = await shared.new_token(WITH_CRYPTOGRAM)
    for ending, control in controls.items():
        made = await shared.request_cryptogram(token, amount_minor=ending)
        card = await shared.vault.Detokenise(use(token, made.cryptogram, amount_minor=ending))
        assert card.refusal == REFUSALS[ending]
        assert control not in card.controls_passed


async def test_it_can_be_switched_off(spare: EmbeddedStore) -> None:
    async with started(spare, amounts_decide=False) as tsp:
        pan = tsp.new_pan()
        token = await tsp.new_token(pan=pan)
        for ending in (*REFUSALS, OUTAGE):
            assert (await tsp.vault.Detokenise(use(token, amount_minor=ending))).pan == pan
