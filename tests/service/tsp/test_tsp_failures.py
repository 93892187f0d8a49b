"""Whoever guesses cryptograms has few tries: the token is suspended after the fifth in a row, in the TSP's own name."""

import asyncio
import base64
from typing import Any

import pytest
from tsp_provider import ON_FILE, OTHERS, WITH_CRYPTOGRAM, Provider, merchant, started, use

from cardnet.cde.v1 import token_vault_pb2 as pb
from cardnet.embedded_store import EmbeddedStore
from cardnet.v1.token_pb2 import PARTY_REQUESTOR, PARTY_TSP, TOKEN_STATE_ACTIVE, TOKEN_STATE_SUSPENDED

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOST = 5
FORMAT, MAC, KEY_INDEX = 0, 1, 17
"""Where in a cryptogram's twenty bytes these stand."""
KINDS = {
    FORMAT: pb.REFUSAL_CRYPTOGRAM_FORMAT,
    MAC: pb.REFUSAL_CRYPTOGRAM_WRONG,
    KEY_INDEX: pb.REFUSAL_CRYPTOGRAM_KEY_UNKNOWN,
}
TOO_FEW_TO_SUSPEND = [MAC] * (MOST - 1)


def flipped(cryptogram: str, bit: int) -> str:
    container = bytearray(base64.b64decode(cryptogram))
    container[bit // 8] ^= 1 << bit % 8
    return base64.b64encode(container).decode()


async def right(tsp: Provider, token: Any) -> str:
    return str((await tsp.request_cryptogram(token)).cryptogram)


async def fail(tsp: Provider, token: Any, *kinds: int) -> list[int]:
    """Pay with a cryptogram that is wrong at each of these places in turn. The refusals."""
    cryptogram = await right(tsp, token)
    cards = [await tsp.vault.Detokenise(use(token, flipped(cryptogram, 8 * kind))) for kind in kinds]
    assert not any(card.pan for card in cards)
    assert {card.response_code for card in cards} <= {"82", "62"}
    return [card.refusal for card in cards]


async def standing(tsp: Provider, token: Any) -> tuple[int, list[int]]:
    shown = await tsp.shown(token)
    return shown.state, list(shown.suspended_by)


ACTIVE, SUSPENDED = (TOKEN_STATE_ACTIVE, []), (TOKEN_STATE_SUSPENDED, [PARTY_TSP])


@pytest.mark.parametrize("kind", KINDS)
async def test_the_fifth_failure_in_a_row_suspends_the_token_in_the_tsps_name(shared: Provider, kind: int) -> None:
    token = await shared.new_token(WITH_CRYPTOGRAM)

    assert await fail(shared, token, *[kind] * (MOST - 1)) == [KINDS[kind]] * (MOST - 1)
    assert await standing(shared, token) == ACTIVE
    waiting = await right(shared, token)
    assert await fail(shared, token, kind) == [KINDS[kind]]
    assert await standing(shared, token) == SUSPENDED

    card = await shared.vault.Detokenise(use(token, waiting))
    assert (card.refusal, card.response_code, card.pan) == (pb.REFUSAL_TOKEN_SUSPENDED, "62", "")
    assert (await shared.request_cryptogram(token)).response_code == "62"


async def test_failures_of_different_kinds_count_together(shared: Provider) -> None:
    token = await shared.new_token(WITH_CRYPTOGRAM)

    await fail(shared, token, MAC, FORMAT, KEY_INDEX, MAC, FORMAT)

    assert await standing(shared, token) == SUSPENDED


async def test_a_cryptogram_counts_also_where_the_domain_wants_none(shared: Provider) -> None:
    token = await shared.new_token(ON_FILE)
    cryptogram = str((await shared.request_cryptogram(token, ON_FILE)).cryptogram)

    for _ in range(MOST):
        await shared.vault.Detokenise(use(token, flipped(cryptogram, 8 * MAC)))

    assert await standing(shared, token) == SUSPENDED


async def test_a_right_one_in_between_starts_the_count_anew(shared: Provider) -> None:
    token = await shared.new_token(WITH_CRYPTOGRAM)
    for _ in range(3):
        await fail(shared, token, *TOO_FEW_TO_SUSPEND)
        assert (await shared.vault.Detokenise(use(token, await right(shared, token)))).pan

    await fail(shared, token, *TOO_FEW_TO_SUSPEND)
    assert await standing(shared, token) == ACTIVE
    await fail(shared, token, MAC)
    assert await standing(shared, token) == SUSPENDED


async def test_a_payment_without_a_cryptogram_does_not_start_the_count_anew(shared: Provider) -> None:
    token = await shared.new_token(ON_FILE)
    cryptogram = str((await shared.request_cryptogram(token, ON_FILE)).cryptogram)
    for _ in range(MOST):
        await shared.vault.Detokenise(use(token, flipped(cryptogram, 8 * MAC)))
        await shared.vault.Detokenise(use(token))

    assert await standing(shared, token) == SUSPENDED


async def test_thirty_two_wrong_ones_at_once_suspend_and_none_passes(shared: Provider) -> None:
    token = await shared.new_token(WITH_CRYPTOGRAM)
    cryptogram = await right(shared, token)
    wrong = [flipped(cryptogram, 8 * MAC + bit) for bit in range(32)]

    cards = await asyncio.gather(*(shared.vault.Detokenise(use(token, one)) for one in wrong))

    assert not any(card.pan for card in cards)
    assert {card.refusal for card in cards} <= {pb.REFUSAL_CRYPTOGRAM_WRONG, pb.REFUSAL_TOKEN_SUSPENDED}
    assert await standing(shared, token) == SUSPENDED
    assert (await shared.vault.Detokenise(use(token, cryptogram))).refusal == pb.REFUSAL_TOKEN_SUSPENDED


@pytest.mark.parametrize("caller", ["merchant", "issuer"])
async def test_requestor_and_issuer_cannot_resume_it(shared: Provider, caller: str) -> None:
    token = await shared.new_token(WITH_CRYPTOGRAM)
    await fail(shared, token, *[MAC] * MOST)

    assert (await shared.act(caller, "Resume", token)).response_code == "57"
    # Nor by way of a suspension of their own.
    assert (await shared.act(caller, "Suspend", token)).response_code == "00"
    assert (await shared.act(caller, "Resume", token)).response_code == "00"
    assert await standing(shared, token) == SUSPENDED


async def test_the_requestor_does_not_get_it_back_by_asking_for_a_token_again(shared: Provider) -> None:
    pan = shared.new_pan()
    token = await shared.new_token(WITH_CRYPTOGRAM, pan)
    await fail(shared, token, *[MAC] * MOST)

    again = await shared.new_token(WITH_CRYPTOGRAM, pan)

    assert again.payment_token == token.payment_token
    assert await standing(shared, token) == SUSPENDED


async def test_the_operator_resumes_it_and_the_count_starts_anew(shared: Provider) -> None:
    token = await shared.new_token(WITH_CRYPTOGRAM)
    await fail(shared, token, *[MAC] * MOST)

    assert (await shared.act("operator", "Resume", token)).response_code == "00"

    assert (await shared.vault.Detokenise(use(token, await right(shared, token)))).pan
    await fail(shared, token, *TOO_FEW_TO_SUSPEND)
    assert await standing(shared, token) == ACTIVE


async def test_the_operators_resuming_leaves_the_requestors_own_suspension(shared: Provider) -> None:
    token = await shared.new_token(WITH_CRYPTOGRAM)
    await fail(shared, token, *[MAC] * MOST)
    await shared.act("merchant", "Suspend", token)

    assert (await shared.act("operator", "Resume", token)).response_code == "00"

    assert await standing(shared, token) == (TOKEN_STATE_SUSPENDED, [PARTY_REQUESTOR])


@pytest.mark.parametrize(
    "changes",
    [{"merchant": merchant(merchant_id="MERCHANT0000002")}, {"trid": OTHERS}, {"trid": ON_FILE}],
    ids=["merchant", "requestor", "the shop's other requestor"],
)
async def test_nobody_can_have_another_shops_token_suspended(shared: Provider, changes: dict[str, Any]) -> None:
    token = await shared.new_token(WITH_CRYPTOGRAM)
    wrong = flipped(await right(shared, token), 8 * MAC)

    for _ in range(2 * MOST):
        assert not (await shared.vault.Detokenise(use(token, wrong, **changes))).pan

    assert await standing(shared, token) == ACTIVE


async def test_the_failures_of_one_token_are_not_anothers(shared: Provider) -> None:
    pan = shared.new_pan()
    one, other = await shared.new_token(WITH_CRYPTOGRAM, pan), await shared.new_token(WITH_CRYPTOGRAM)

    await fail(shared, one, *TOO_FEW_TO_SUSPEND)
    await fail(shared, other, *TOO_FEW_TO_SUSPEND)

    assert await standing(shared, one) == await standing(shared, other) == ACTIVE


async def test_how_many_there_may_be_is_a_setting(spare: EmbeddedStore) -> None:
    async with started(spare, most_failures=2) as tsp:
        token = await tsp.new_token(WITH_CRYPTOGRAM)
        await fail(tsp, token, MAC)
        assert await standing(tsp, token) == ACTIVE
        await fail(tsp, token, MAC)
        assert await standing(tsp, token) == SUSPENDED


async def test_of_a_cryptograms_hundred_and_sixty_bits_none_can_be_flipped(spare: EmbeddedStore) -> None:
    async with started(spare, most_failures=1000) as tsp:
        token = await tsp.new_token(WITH_CRYPTOGRAM)
        cryptogram = await right(tsp, token)

        for bit in range(160):
            card = await tsp.vault.Detokenise(use(token, flipped(cryptogram, bit)))
            assert (card.response_code, card.pan) == ("82", ""), bit

        assert (await tsp.vault.Detokenise(use(token, cryptogram))).pan
